internal import CCurl

extension TransferError {
    /// What a `CURLcode` means for the caller.
    /// - Parameters:
    ///   - bytesSent: whether any of the request was written, on this or an earlier connection of the transfer.
    ///   - detail: curl's sentence; used for TLS only, where it names no more than the host and the certificate.
    init(_ code: CURLcode, bytesSent: Bool, errno: Int32, detail: String) {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST where !bytesSent:
            self = .resolve
        case CURLE_COULDNT_CONNECT where !bytesSent:
            self = .connect(errno: errno)
        case _ where Self.isTLS(code) && !bytesSent:
            self = .tls(detail.isEmpty ? curlText(code) : detail)
        case CURLE_OPERATION_TIMEDOUT:
            self = .timedOut(.connect, bytesSent: bytesSent)
        case CURLE_PARTIAL_FILE:
            self = .truncated
        case CURLE_UNSUPPORTED_PROTOCOL where bytesSent:
            self = .malformedAnswer("not HTTP/1.0 or later")
        case CURLE_WEIRD_SERVER_REPLY:
            self = .malformedAnswer(curlText(code))
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_LOGIN_DENIED:
            self = .invalidRequest("a URL that is none, not http or https, or with a user in it")
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_SEND_FAIL_REWIND, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT:
            self = .reset(bytesSent: bytesSent)
        case _ where Self.isTLS(code):
            self = .reset(bytesSent: bytesSent)
        default:
            self = .other(code: Int32(code.rawValue), text: curlText(code), bytesSent: bytesSent)
        }
    }

    private static func isTLS(_ code: CURLcode) -> Bool {
        switch code {
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_CRL_BADFILE,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED:
            true
        default: false
        }
    }
}
