internal import HTTPTypes
internal import Hashing

/// Checks the gateway's word for who the user is: an HMAC over time, method, path with query, and user.
package struct IdentityCheck: Sendable {
    /// Seconds that a signature's time may be off.
    private static let tolerance: Int64 = 60
    private static let maxUserBytes = 256

    private let secret: [UInt8]

    /// - Parameter secret: the gateway's `identity_secret`, not empty.
    package init(secret: String) {
        precondition(!secret.isEmpty, "without a secret anybody could sign")
        self.secret = Array(secret.utf8)
    }

    /// - Parameters:
    ///   - user: of `x-user-id`.
    ///   - signature: of `x-sluice-signature`.
    ///   - target: path and query as they stand in the request line.
    ///   - now: seconds since 1970.
    /// - Returns: the user.
    /// - Throws: 401, which names the field to look at.
    package func user(
        user: String?,
        signature: String?,
        method: String,
        target: String,
        now: Int64
    ) throws(Problem) -> String {
        guard let user, !user.isEmpty, user.utf8.count <= Self.maxUserBytes else {
            throw Problem(.unauthorized, "x-user-id is missing: call through the gateway")
        }
        guard let signature else {
            throw Problem(.unauthorized, "x-sluice-signature is missing: call through the gateway")
        }
        guard let (time, code) = Self.parse(signature) else {
            throw Problem(.unauthorized, "x-sluice-signature is malformed")
        }
        let expected = Self.code(secret: secret, time: time, method: method, target: target, user: user)
        guard constantTimeEquals(Array(expected.utf8), Array(code.utf8)) else {
            throw Problem(
                .unauthorized,
                "x-sluice-signature is wrong: gateway and backend need the same identity secret"
            )
        }
        guard let seconds = Int64(time), (-Self.tolerance...Self.tolerance).contains(now - seconds) else {
            throw Problem(.unauthorized, "x-sluice-signature is more than 60 s off: check the clocks")
        }
        return user
    }

    /// The field's value for a request: what the gateway sends.
    package static func signature(secret: String, time: Int64, method: String, target: String, user: String) -> String {
        let code = code(secret: Array(secret.utf8), time: String(time), method: method, target: target, user: user)
        return "t=\(time),v1=\(code)"
    }

    private static func code(secret: [UInt8], time: String, method: String, target: String, user: String) -> String {
        hmacSHA256(key: secret, message: Array("\(time)\n\(method)\n\(target)\n\(user)".utf8)).hex
    }

    private static func parse(_ signature: String) -> (time: String, code: String)? {
        var time: Substring?
        var code: Substring?
        for part in signature.split(separator: ",") {
            if part.hasPrefix("t=") { time = part.dropFirst(2) }
            if part.hasPrefix("v1=") { code = part.dropFirst(3) }
        }
        guard let time, let code, (1...12).contains(time.utf8.count), time.utf8.allSatisfy({ (48...57).contains($0) })
        else {
            return nil
        }
        return (String(time), code.lowercased())
    }
}
