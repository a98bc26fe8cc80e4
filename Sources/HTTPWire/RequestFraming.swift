/// What a request's fields say about its body and its connection, checked: RFC 9112, 3.2, 6 and 9.3.
struct RequestFraming {
    private(set) var body = BodyLength.none
    private(set) var expectsContinue = false
    private(set) var keepsAlive: Bool

    private var hosts = 0
    private var lengths = 0
    private var codings = 0
    private var lastCodingIsChunked = false

    /// - Throws: every reason to refuse a request that its syntax alone does not give.
    init(_ base: UnsafePointer<UInt8>, _ lines: [FieldLine], minorVersion: Int) throws(WireError) {
        keepsAlive = minorVersion > 0
        var closes = false
        for line in lines {
            guard let field = KnownField(rawValue: line.field) else { continue }
            let value = UnsafeRawBufferPointer(start: base + Int(line.valueOffset), count: Int(line.valueLength))
            switch field {
            case .host: try host(value)
            case .contentLength: try contentLength(value)
            case .transferEncoding: try transferEncoding(value)
            case .expect where minorVersion > 0:
                guard ByteClass.equalsIgnoringCase(value, "100-continue") else { throw .expectationNotSupported }
                expectsContinue = true
            case .connection:
                TokenList.forEachElement(of: value) { element in
                    if ByteClass.equalsIgnoringCase(element, "close") { closes = true }
                    if ByteClass.equalsIgnoringCase(element, "keep-alive") { keepsAlive = true }
                }
            default: break
            }
        }
        if closes { keepsAlive = false }
        if hosts == 0, minorVersion > 0 { throw .missingHost }
        if codings > 0 {
            guard lengths == 0 else { throw .lengthAndCoding }
            guard minorVersion > 0 else { throw .transferCodingBeforeHTTP11 }
            guard lastCodingIsChunked else { throw .finalCodingNotChunked }
            guard codings == 1 else { throw .transferCodingNotSupported }
            body = .chunked
        }
        if body == .none || body == .fixed(0) { expectsContinue = false }
    }

    private mutating func host(_ value: UnsafeRawBufferPointer) throws(WireError) {
        hosts += 1
        guard hosts == 1 else { throw .repeatedHost }
        guard value.allSatisfy({ ByteClass.isHost($0) }) else { throw .invalidHost }
    }

    private mutating func contentLength(_ value: UnsafeRawBufferPointer) throws(WireError) {
        lengths += 1
        // A list of equal numbers may be taken as one (RFC 9110, 8.6), or refused: whoever sends it is not a client.
        guard lengths == 1 else { throw .repeatedContentLength }
        guard !value.isEmpty else { throw .invalidContentLength }
        var length = 0
        for byte in value {
            let digit = byte &- 0x30
            guard digit < 10 else { throw .invalidContentLength }
            let (tens, overflow) = length.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(digit))
            guard !overflow, !carry else { throw .contentLengthTooLarge }
            length = sum
        }
        body = .fixed(length)
    }

    /// Codings over all lines count as one list; `chunked` may stand at its end only, and once.
    private mutating func transferEncoding(_ value: UnsafeRawBufferPointer) throws(WireError) {
        var count = 0
        var isLast = lastCodingIsChunked
        var isRepeated = false
        TokenList.forEachElement(of: value) { element in
            count += 1
            if isLast { isRepeated = true }
            isLast = ByteClass.equalsIgnoringCase(element, "chunked")
        }
        guard count > 0, !isRepeated else { throw .finalCodingNotChunked }
        codings += count
        lastCodingIsChunked = isLast
    }
}
