/// A request's method (RFC 9110, 9). Case matters: `get` is another method than `GET`.
package enum RequestMethod: Equatable, Sendable {
    case get, head, post, put, delete, patch, options, connect, trace
    case other(String)

    package var name: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .patch: "PATCH"
        case .options: "OPTIONS"
        case .connect: "CONNECT"
        case .trace: "TRACE"
        case .other(let name): name
        }
    }

    /// - Parameter bytes: a token.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        // Packed, at most seven bytes: one comparison in place of one a byte.
        var packed: UInt64 = 0
        if bytes.count <= 7 { for byte in bytes { packed = packed &<< 8 | UInt64(byte) } }
        switch packed {
        case 0x47_45_54: self = .get
        case 0x48_45_41_44: self = .head
        case 0x50_4F_53_54: self = .post
        case 0x50_55_54: self = .put
        case 0x44_45_4C_45_54_45: self = .delete
        case 0x50_41_54_43_48: self = .patch
        case 0x4F_50_54_49_4F_4E_53: self = .options
        case 0x43_4F_4E_4E_45_43_54: self = .connect
        case 0x54_52_41_43_45: self = .trace
        default: self = .other(String(decoding: bytes, as: UTF8.self))
        }
    }
}
