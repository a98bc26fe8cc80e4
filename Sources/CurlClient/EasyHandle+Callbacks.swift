internal import CCurl
internal import NIOCore

extension EasyHandle {
    /// Sends curl's callbacks to the transfer, and the close of a socket, which outlives it, to the client.
    func setCallbacks(
        transfer: UnsafeMutableRawPointer,
        client: UnsafeMutableRawPointer,
        errorText: UnsafeMutablePointer<CChar>
    ) throws(CurlSetupError) {
        let codes = [
            sluice_curl_set_pointer(pointer, CURLOPT_PRIVATE, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_ERRORBUFFER, errorText),
            sluice_curl_set_pointer(pointer, CURLOPT_WRITEDATA, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_HEADERDATA, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_READDATA, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_SEEKDATA, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_PREREQDATA, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_OPENSOCKETDATA, transfer),
            sluice_curl_set_pointer(pointer, CURLOPT_CLOSESOCKETDATA, client),
            sluice_curl_set_write_function(pointer, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                PooledTransfer.of(context).bodyBytes(UnsafeRawBufferPointer(start: bytes, count: size * count))
            },
            sluice_curl_set_write_function(pointer, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return PooledTransfer.of(context).headerLine(line) ? size * count : Int(CURL_WRITEFUNC_ERROR)
            },
            sluice_curl_set_write_function(pointer, CURLOPT_READFUNCTION) { bytes, size, count, context in
                PooledTransfer.of(context).readBody(
                    into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
                )
            },
            sluice_curl_set_seek_function(pointer) { context, _, _ in
                PooledTransfer.of(context).canRewind ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
            },
            sluice_curl_set_prerequest_function(pointer) { context, _, _, _, _ in
                PooledTransfer.of(context).mayStart() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            },
            sluice_curl_set_open_socket_function(pointer) { context, _, address in
                PooledTransfer.of(context).openSocket(address)
            },
            sluice_curl_set_close_socket_function(pointer) { context, socket in
                CurlClient.of(context).closeSocket(socket)
            },
        ]
        for code in codes where code != CURLE_OK {
            throw .library(code: Int32(code.rawValue))
        }
    }

    func pause(_ bits: Int32) -> CURLcode {
        curl_easy_pause(pointer, bits)
    }

    /// Whether anything of the request was written since the transfer began, over all its connections.
    var bytesSent: Bool { long(CURLINFO_REQUEST_SIZE) > 0 || bytesUploaded > 0 }
    var bytesUploaded: Int { offset(CURLINFO_SIZE_UPLOAD_T) }
    var bytesReceived: Int { offset(CURLINFO_SIZE_DOWNLOAD_T) }
    /// By `Content-Length`; -1: it did not say.
    var announcedLength: Int { offset(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T) }
    var newConnections: Int { long(CURLINFO_NUM_CONNECTS) }
    /// Of the last failed `connect`; 0: none.
    var systemError: Int32 { Int32(truncatingIfNeeded: long(CURLINFO_OS_ERRNO)) }

    /// Until TCP, and TLS where there is any, stood.
    var connectTime: Duration {
        guard newConnections > 0 else { return .zero }
        return .microseconds(max(offset(CURLINFO_CONNECT_TIME_T), offset(CURLINFO_APPCONNECT_TIME_T)))
    }

    private func long(_ info: CURLINFO) -> Int {
        var value = 0
        let code = sluice_curl_get_long(pointer, info, &value)
        precondition(code == CURLE_OK, "curl_easy_getinfo: \(code.rawValue)")
        return value
    }

    private func offset(_ info: CURLINFO) -> Int {
        var value: curl_off_t = 0
        let code = sluice_curl_get_offset(pointer, info, &value)
        precondition(code == CURLE_OK, "curl_easy_getinfo: \(code.rawValue)")
        return Int(value)
    }
}

extension PooledTransfer {
    /// The pointer that `setCallbacks` gave curl; the pool holds the object for as long as curl holds the handle.
    static func of(_ context: UnsafeMutableRawPointer?) -> PooledTransfer {
        guard let context else { preconditionFailure("curl lost a callback's context") }
        return Unmanaged<PooledTransfer>.fromOpaque(context).takeUnretainedValue()
    }
}

extension CurlClient {
    static func of(_ context: UnsafeMutableRawPointer?) -> CurlClient {
        guard let context else { preconditionFailure("curl lost a callback's context") }
        return Unmanaged<CurlClient>.fromOpaque(context).takeUnretainedValue()
    }
}
