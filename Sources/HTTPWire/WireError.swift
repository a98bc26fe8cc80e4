/// Why bytes from a client are not a request, or what it took too long for.
///
/// Each case has the status to answer with and a sentence that says what to change; neither quotes what was received.
package enum WireError: Error, Equatable {
    // The request line, RFC 9112, 3.
    case malformedRequestLine
    case malformedMethod
    case invalidTarget
    case malformedVersion
    case versionNotSupported
    case connectNotOffered
    case tlsOnPlaintextPort
    // Lines and fields, RFC 9112, 2.2 and 5.
    case bareLineFeed
    case bareCarriageReturn
    case foldedField
    case spaceBeforeColon
    case missingColon
    case malformedFieldName
    case controlInFieldValue
    /// - Parameter limit: bytes of request line and fields together.
    case headerTooLarge(limit: Int)
    // Host, RFC 9112, 3.2.
    case missingHost
    case repeatedHost
    case invalidHost
    // Framing, RFC 9112, 6 and 7.
    case invalidContentLength
    case repeatedContentLength
    case contentLengthTooLarge
    case lengthAndCoding
    case transferCodingBeforeHTTP11
    case finalCodingNotChunked
    case transferCodingNotSupported
    case invalidChunkSize
    case malformedChunkExtension
    case missingChunkEnd
    /// - Parameter limit: bytes of all trailer fields together.
    case trailerTooLarge(limit: Int)
    // RFC 9110, 10.1.1.
    case expectationNotSupported
    case headerTimeout
}

extension WireError {
    /// The status of the answer that ends the connection.
    package var status: Int {
        switch self {
        case .headerTooLarge, .trailerTooLarge: 431
        case .versionNotSupported: 505
        case .connectNotOffered, .transferCodingNotSupported: 501
        case .contentLengthTooLarge: 413
        case .expectationNotSupported: 417
        case .headerTimeout: 408
        default: 400
        }
    }

    /// One sentence for the person who reads the answer: what is wrong, and by which rule.
    package var sentence: String {
        switch self {
        case .malformedRequestLine:
            "The request line must be a method, one space, a target, one space and HTTP/1.1 (RFC 9112, 3)."
        case .malformedMethod:
            "The method must be a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, 9.1)."
        case .invalidTarget:
            "The request target must begin with a slash or be an http URL; percent-encode spaces, control characters, "
                + "non-ASCII bytes and '#' (RFC 9112, 3.2)."
        case .malformedVersion:
            "The request line must end with HTTP/1.1 or HTTP/1.0 (RFC 9112, 2.3)."
        case .versionNotSupported:
            "Only HTTP/1.0 and HTTP/1.1 are spoken on this connection."
        case .connectNotOffered:
            "CONNECT is not offered: this is a gateway, not a tunnel."
        case .tlsOnPlaintextPort:
            "These bytes look like TLS, but this port speaks plain HTTP; use http:// instead of https://."
        case .bareLineFeed:
            "A line ends with LF alone; lines must end with CRLF (RFC 9112, 2.2)."
        case .bareCarriageReturn:
            "A CR is not followed by LF; lines must end with CRLF (RFC 9112, 2.2)."
        case .foldedField:
            "A field line begins with white space; line folding is not allowed (RFC 9112, 5.2)."
        case .spaceBeforeColon:
            "There is white space between a field's name and its colon (RFC 9112, 5.1)."
        case .missingColon:
            "A field line has no colon (RFC 9112, 5)."
        case .malformedFieldName:
            "A field's name must be a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, 5.1)."
        case .controlInFieldValue:
            "A field's value contains a control character (RFC 9110, 5.5)."
        case .headerTooLarge(let limit):
            "Request line and fields are larger than \(limit) bytes (max_header)."
        case .missingHost:
            "The Host field is missing (RFC 9112, 3.2)."
        case .repeatedHost:
            "There is more than one Host field (RFC 9112, 3.2)."
        case .invalidHost:
            "The Host field must be a host name or address with an optional port (RFC 9110, 7.2)."
        case .invalidContentLength:
            "Content-Length must be one decimal number (RFC 9112, 6.3)."
        case .repeatedContentLength:
            "There is more than one Content-Length (RFC 9110, 8.6)."
        case .contentLengthTooLarge:
            "Content-Length is larger than this server can count."
        case .lengthAndCoding:
            "Content-Length and Transfer-Encoding must not be sent together (RFC 9112, 6.3)."
        case .transferCodingBeforeHTTP11:
            "Transfer-Encoding needs HTTP/1.1 (RFC 9112, 6.1)."
        case .finalCodingNotChunked:
            "The final transfer coding of a request must be chunked, once (RFC 9112, 6.3)."
        case .transferCodingNotSupported:
            "The only transfer coding understood is chunked (RFC 9112, 6.1)."
        case .invalidChunkSize:
            "A chunk must begin with its size in hexadecimal digits, at most 16 (RFC 9112, 7.1)."
        case .malformedChunkExtension:
            "A chunk's extension must be printable and end with CRLF within 256 bytes (RFC 9112, 7.1.1)."
        case .missingChunkEnd:
            "A chunk's data must be followed by CRLF (RFC 9112, 7.1)."
        case .trailerTooLarge(let limit):
            "The trailer fields are larger than \(limit) bytes."
        case .expectationNotSupported:
            "The only expectation understood is 100-continue (RFC 9110, 10.1.1)."
        case .headerTimeout:
            "Request line and fields did not arrive in time (header_timeout)."
        }
    }
}
