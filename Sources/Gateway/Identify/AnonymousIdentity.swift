internal import Hashing

/// The random id by which an anonymous caller finds its conversations again: kept in a signed cookie, so that nobody
/// takes another's by writing it.
package struct AnonymousIdentity: Equatable {
    package let user: String
    /// `nil`: the caller brought a good one.
    package let setCookie: String?

    private static let cookieName = "sluice_id"
    private static let lifetimeSeconds = 365 * 24 * 3600

    /// - Parameters:
    ///   - cookies: all Cookie lines, joined.
    ///   - secret: the upstream's `identity_secret`.
    ///   - isSecure: the caller came over TLS.
    package static func of(
        cookies: String?,
        secret: String,
        isSecure: Bool,
        random: inout some RandomNumberGenerator
    ) -> AnonymousIdentity {
        if let cookies, let user = verified(cookies: cookies, secret: secret) {
            return AnonymousIdentity(user: user, setCookie: nil)
        }
        let user = "anon-" + hex(random.next()) + hex(random.next())
        let value = user + "." + signature(of: user, secret: secret)
        let cookie =
            "\(cookieName)=\(value); Path=/; Max-Age=\(lifetimeSeconds); HttpOnly; SameSite=Lax"
            + (isSecure ? "; Secure" : "")
        return AnonymousIdentity(user: user, setCookie: cookie)
    }

    private static func verified(cookies: String, secret: String) -> String? {
        for pair in cookies.split(whereSeparator: { $0 == ";" || $0 == "," }) {
            let pair = pair.trimmingSpaces()
            guard pair.hasPrefix(cookieName + "=") else { continue }
            let value = pair.dropFirst(cookieName.count + 1)
            guard let dot = value.lastIndex(of: ".") else { continue }
            let user = String(value[..<dot])
            let claimed = Array(value[value.index(after: dot)...].utf8)
            if user.hasPrefix("anon-"), constantTimeEquals(claimed, Array(signature(of: user, secret: secret).utf8)) {
                return user
            }
        }
        return nil
    }

    private static func signature(of user: String, secret: String) -> String {
        hmacSHA256(key: Array(secret.utf8), message: Array(("cookie:" + user).utf8)).hex
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
