internal import CCurl
internal import NIOCore

/// A `CURL *` with the options that stay, and those of the last transfer, so that only what changes is set anew.
/// Its owner calls `free()` once.
struct EasyHandle {
    /// What curl calls the request, apart from its method.
    private enum Shape: Equatable {
        case fresh, none, head, bytes, stream
    }

    let pointer: UnsafeMutableRawPointer
    /// The parsed URL: given to curl in this form it is not parsed for every transfer.
    private let parsedURL: OpaquePointer
    private let systemCAFile: String?
    private var shape = Shape.fresh
    private var hasTarget = false
    private var url: String?
    private var method: String?
    private var customMethod: String?
    private var caFile: String?
    private var connectTimeout = TimeAmount.nanoseconds(-1)

    /// - Throws: `.library`: an option is not known to this libcurl.
    init(limits: CurlLimits) throws(CurlSetupError) {
        guard let pointer = curl_easy_init(), let parsedURL = curl_url() else { fatalError("out of memory") }
        self.pointer = pointer
        self.parsedURL = parsedURL
        var path: UnsafePointer<CChar>?
        _ = sluice_curl_get_string(pointer, CURLINFO_CAINFO, &path)
        systemCAFile = path.map { String(cString: $0) }
        do {
            try setConstants(limits)
        } catch {
            free()
            throw error
        }
    }

    func free() {
        curl_easy_cleanup(pointer)
        curl_url_cleanup(parsedURL)
    }

    private func setConstants(_ limits: CurlLimits) throws(CurlSetupError) {
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1),
            // Without it a cancel while a name is resolved waits for the resolver's thread.
            (CURLOPT_QUICK_EXIT, 1),
            (CURLOPT_PATH_AS_IS, 1),
            (CURLOPT_FOLLOWLOCATION, 0),
            (CURLOPT_HTTP09_ALLOWED, 0),
            (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS)),
            (CURLOPT_SSL_VERIFYPEER, 1),
            (CURLOPT_SSL_VERIFYHOST, 2),
            (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            (CURLOPT_TCP_NODELAY, 1),
            (CURLOPT_TCP_KEEPALIVE, 1),
            (CURLOPT_TCP_KEEPIDLE, 30),
            (CURLOPT_TCP_KEEPINTVL, 10),
            (CURLOPT_MAXAGE_CONN, Int(limits.idleAge.components.seconds)),
            (CURLOPT_MAXLIFETIME_CONN, Int(limits.lifetime.components.seconds)),
            (CURLOPT_NOPROGRESS, 1),
        ]
        for (option, value) in numbers {
            try accept(sluice_curl_set_long(pointer, option, value))
        }
        try accept(sluice_curl_set_pointer(pointer, CURLOPT_CURLU, UnsafeRawPointer(parsedURL)))
        // An empty proxy: the environment's is not asked.
        try accept(sluice_curl_set_string(pointer, CURLOPT_PROXY, ""))
        try accept(sluice_curl_set_string(pointer, CURLOPT_PROTOCOLS_STR, "http,https"))
        // With a directory of authorities beside the file curl would read 140 certificates for each connection.
        if systemCAFile != nil {
            try accept(sluice_curl_set_string(pointer, CURLOPT_CAPATH, nil))
        }
    }

    /// Sets what differs from the last transfer.
    /// - Parameters:
    ///   - fields: kept by reference: must stand until the transfer has ended.
    ///   - body: the bytes of a `.bytes` body, likewise.
    mutating func configure(
        _ request: TransferRequest,
        fields: UnsafeMutablePointer<curl_slist>?,
        body: UnsafeRawBufferPointer?
    ) throws(TransferError) {
        try checkMethod(request)
        if request.url != url {
            try setURL(request.url)
            // Waiting for a connection that may turn out to multiplex is for HTTP/2: on plaintext a call would wait for
            // the end of the first stream.
            let multiplexes = request.url.utf8.starts(with: "https:".utf8)
            try check(sluice_curl_set_long(pointer, CURLOPT_PIPEWAIT, multiplexes ? 1 : 0))
            url = request.url
        }
        try setTarget(request.target)
        if request.caFile != caFile {
            let file = request.caFile ?? systemCAFile
            if let file {
                try check(file.withCString { sluice_curl_set_string(pointer, CURLOPT_CAINFO, $0) })
            } else {
                try check(sluice_curl_set_string(pointer, CURLOPT_CAINFO, nil))
            }
            caFile = request.caFile
        }
        if request.timeouts.connect != connectTimeout {
            let milliseconds = max(0, Int(request.timeouts.connect.nanoseconds / 1_000_000))
            // 0 would be curl's default of 300 s.
            let value = milliseconds == 0 ? Int(Int32.max) : milliseconds
            try check(sluice_curl_set_long(pointer, CURLOPT_CONNECTTIMEOUT_MS, value))
            connectTimeout = request.timeouts.connect
        }
        try check(sluice_curl_set_fields(pointer, fields))
        try setBody(request, body)
    }

    private func setURL(_ url: String) throws(TransferError) {
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .invalidRequest("a space or control character in the URL")
        }
        let flags = UInt32(CURLU_DISALLOW_USER) | UInt32(CURLU_PATH_AS_IS)
        let code = url.withCString { curl_url_set(parsedURL, CURLUPART_URL, $0, flags) }
        guard code == CURLUE_OK else {
            throw .invalidRequest("a URL that is none, not http or https, or with a user in it")
        }
    }

    private mutating func setTarget(_ target: ByteBuffer?) throws(TransferError) {
        guard let target else {
            if hasTarget { try check(sluice_curl_set_string(pointer, CURLOPT_REQUEST_TARGET, nil)) }
            hasTarget = false
            return
        }
        let code = target.withUnsafeReadableBytes { source -> CURLcode? in
            guard source.first == UInt8(ascii: "/"), source.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: source.count + 1, alignment: 1) { text in
                text.copyMemory(from: source)
                text[source.count] = 0
                let text = text.baseAddress?.assumingMemoryBound(to: CChar.self)
                return sluice_curl_set_string(pointer, CURLOPT_REQUEST_TARGET, text)
            }
        }
        guard let code else { throw .invalidRequest("a target without a slash, or with a space or control character") }
        try check(code)
        hasTarget = true
    }

    /// Whether the connection is to be closed when this transfer leaves it.
    func forbidReuse(_ isForbidden: Bool) {
        let code = sluice_curl_set_long(pointer, CURLOPT_FORBID_REUSE, isForbidden ? 1 : 0)
        precondition(code == CURLE_OK, "CURLOPT_FORBID_REUSE: \(code.rawValue)")
    }

    private mutating func setBody(_ request: TransferRequest, _ body: UnsafeRawBufferPointer?) throws(TransferError) {
        let impliedMethod: String
        switch request.body {
        case .none where request.method == "HEAD":
            try become(.head, fields: nil)
            impliedMethod = "HEAD"
        case .none where !request.isPost:
            try become(.none, fields: nil)
            impliedMethod = "GET"
        case .none, .bytes:
            try check(sluice_curl_set_offset(pointer, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body?.count ?? 0)))
            try become(.bytes, fields: body?.baseAddress ?? UnsafeRawPointer(Self.noBytes.utf8Start))
            impliedMethod = "POST"
        case .stream(let length):
            try check(sluice_curl_set_offset(pointer, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(length ?? -1)))
            try become(.stream, fields: nil)
            impliedMethod = "POST"
        }
        let custom = request.method == impliedMethod ? nil : request.method
        guard custom != customMethod else { return }
        if let custom {
            try check(custom.withCString { sluice_curl_set_string(pointer, CURLOPT_CUSTOMREQUEST, $0) })
        } else {
            try check(sluice_curl_set_string(pointer, CURLOPT_CUSTOMREQUEST, nil))
        }
        customMethod = custom
    }

    private static let noBytes: StaticString = ""

    private mutating func become(_ new: Shape, fields: UnsafeRawPointer?) throws(TransferError) {
        if new == .bytes || shape != new {
            try check(sluice_curl_set_pointer(pointer, CURLOPT_POSTFIELDS, fields))
        }
        guard shape != new else { return }
        let option =
            switch new {
            case .head: CURLOPT_NOBODY
            case .none, .fresh: CURLOPT_HTTPGET
            case .bytes, .stream: CURLOPT_POST
            }
        try check(sluice_curl_set_long(pointer, option, 1))
        shape = new
    }

    private mutating func checkMethod(_ request: TransferRequest) throws(TransferError) {
        if request.method != method {
            let bytes = request.method.utf8
            guard !bytes.isEmpty, bytes.allSatisfy(isTokenByte) else { throw .invalidRequest("the method is no token") }
            guard request.method != "CONNECT" else { throw .invalidRequest("CONNECT cannot be forwarded") }
            method = request.method
        }
        if method == "HEAD" {
            guard case .none = request.body else { throw .invalidRequest("a HEAD request with a body") }
        }
    }

    private func check(_ code: CURLcode) throws(TransferError) {
        guard code == CURLE_OK else {
            throw .other(code: Int32(code.rawValue), text: curlText(code), bytesSent: false)
        }
    }

    private func accept(_ code: CURLcode) throws(CurlSetupError) {
        guard code == CURLE_OK else { throw .library(code: Int32(code.rawValue)) }
    }
}

/// libcurl's own words for a code: never anything of the transfer.
func curlText(_ code: CURLcode) -> String {
    String(cString: curl_easy_strerror(code))
}
