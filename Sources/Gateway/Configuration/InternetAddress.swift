/// An IPv4 or IPv6 address (RFC 4291, 2.2); IPv4 is kept as IPv4-mapped IPv6.
struct InternetAddress: Equatable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Takes a zone (`%eth0`) and ignores it.
    init?(_ text: Substring) {
        if let octets = Self.dottedQuad(text.utf8) {
            self.init(high: 0, low: Self.mappedPrefix | UInt64(octets))
        } else {
            self.init(groups: text)
        }
    }

    var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// - Parameter length: 0…128.
    func masked(to length: Int) -> InternetAddress {
        InternetAddress(
            high: high & Self.mask(min(64, length)),
            low: low & Self.mask(max(0, length - 64))
        )
    }

    /// IPv6 without compression: one spelling an address, which is all that a key needs.
    var description: String {
        if isIPv4 {
            return (0..<4).map { String(low >> (24 - 8 * $0) & 0xFF) }.joined(separator: ".")
        }
        let groups = (0..<8).map { ($0 < 4 ? high : low) >> (48 - 16 * ($0 % 4)) & 0xFFFF }
        return groups.map { String($0, radix: 16) }.joined(separator: ":")
    }

    private static let mappedPrefix: UInt64 = 0xFFFF_0000_0000

    private static func mask(_ bits: Int) -> UInt64 {
        bits == 0 ? 0 : UInt64.max << (64 - UInt64(bits))
    }

    /// Four decimal numbers, without leading zeros: some readers take those for octal.
    private static func dottedQuad(_ text: Substring.UTF8View) -> UInt32? {
        var value: UInt32 = 0
        var octet: UInt32?
        var octets = 0
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard let complete = octet, octets < 3 else { return nil }
                value = value << 8 | complete
                octet = nil
                octets += 1
            } else {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), octet != 0 else { return nil }
                let next = (octet ?? 0) * 10 + UInt32(byte - UInt8(ascii: "0"))
                guard next <= 255 else { return nil }
                octet = next
            }
        }
        guard octets == 3, let last = octet else { return nil }
        return value << 8 | last
    }

    private init?(groups text: Substring) {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var count = 0
        var gap: Int?
        var index = text.utf8.startIndex
        let end = text.utf8.firstIndex(of: UInt8(ascii: "%")) ?? text.utf8.endIndex
        let bytes = text.utf8

        func push(_ group: UInt64) {
            high = high << 16 | low >> 48
            low = low << 16 | group
            count += 1
        }

        if bytes[index..<end].starts(with: "::".utf8) {
            gap = 0
            index = bytes.index(index, offsetBy: 2)
        }
        while index < end {
            let start = index
            var group: UInt64 = 0
            var digits = 0
            while index < end, let digit = Self.hexDigit(bytes[index]) {
                group = group << 4 | digit
                digits += 1
                index = bytes.index(after: index)
            }
            if index < end, bytes[index] == UInt8(ascii: ".") {
                guard count <= 6, let quad = Self.dottedQuad(text[start..<end].utf8) else { return nil }
                push(UInt64(quad >> 16))
                push(UInt64(quad & 0xFFFF))
                index = end
                break
            }
            guard (1...4).contains(digits), count < 8 else { return nil }
            push(group)
            guard index < end else { break }
            guard bytes[index] == UInt8(ascii: ":") else { return nil }
            index = bytes.index(after: index)
            guard index < end else { return nil }
            if bytes[index] == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = count
                index = bytes.index(after: index)
            }
        }
        guard gap == nil ? count == 8 : count < 8 else { return nil }
        if let gap { (high, low) = Self.spread(high: high, low: low, count: count, gap: gap) }
        self.init(high: high, low: low)
    }

    /// Moves the groups before the gap to the front; those behind it are in place already.
    private static func spread(high: UInt64, low: UInt64, count: Int, gap: Int) -> (UInt64, UInt64) {
        let behind = (count - gap) * 16
        let value = UInt128(high) << 64 | UInt128(low)
        let tail = value & ((UInt128(1) << UInt128(behind)) - 1)
        let head = gap == 0 ? 0 : (value >> UInt128(behind)) << UInt128(128 - gap * 16)
        let whole = head | tail
        return (UInt64(truncatingIfNeeded: whole >> 64), UInt64(truncatingIfNeeded: whole))
    }

    private static func hexDigit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
