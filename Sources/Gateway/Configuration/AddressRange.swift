/// A block of IP addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
package struct AddressRange: Sendable, Equatable {
    private let network: InternetAddress
    /// Of 128: that of IPv4 is 96 more than written.
    private let prefixLength: Int

    /// `nil` for what is no address, or a prefix that is none of its family's.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = InternetAddress(parts[0]) else { return nil }
        let longest = address.isIPv4 ? 32 : 128
        var length = longest
        if parts.count == 2 {
            guard let written = Int(parts[1]), (0...longest).contains(written), parts[1].first != "+" else {
                return nil
            }
            length = written
        }
        prefixLength = 128 - longest + length
        network = address.masked(to: prefixLength)
    }

    /// An IPv4 address matches as itself where it comes mapped into IPv6 (RFC 4291, 2.5.5.2). No allocation.
    package func contains(_ address: String) -> Bool {
        guard let address = InternetAddress(address[...]) else { return false }
        return address.isIPv4 == network.isIPv4 && address.masked(to: prefixLength) == network
    }

    package static func isAddress(_ text: String) -> Bool {
        InternetAddress(text[...]) != nil
    }

    /// What a limit by ip counts as one caller: an IPv4 address, or the /64 of an IPv6 one, in one spelling.
    ///
    /// What is no address stays as it is, so that callers over a Unix socket are one.
    package static func limitIdentity(of address: String) -> String {
        guard let parsed = InternetAddress(address[...]) else { return address }
        // An IPv4 address has one spelling only, unless it comes mapped into IPv6.
        if parsed.isIPv4, !address.utf8.contains(UInt8(ascii: ":")) { return address }
        return parsed.isIPv4 ? parsed.description : parsed.masked(to: 64).description + "/64"
    }
}
