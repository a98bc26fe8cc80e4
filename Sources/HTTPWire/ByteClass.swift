/// Which bytes RFC 9110 and RFC 3986 allow where, and the scans over them.
enum ByteClass {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let colon: UInt8 = 0x3A

    /// A `tchar` (RFC 9110, 5.6.2).
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        isIn(byte, low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    }

    /// What a host with an optional port is made of (RFC 3986, 3.2.2 and 3.2.3); no user information.
    @inline(__always)
    static func isHost(_ byte: UInt8) -> Bool {
        isIn(byte, low: 0x2FFF_7FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE)
    }

    /// One bit a byte below 128: two shifts are cheaper than a table that may not be in the cache.
    @inline(__always)
    private static func isIn(_ byte: UInt8, low: UInt64, high: UInt64) -> Bool {
        let half = byte & 0x40 == 0 ? low : high
        return byte < 0x80 && (half &>> UInt64(byte & 0x3F)) & 1 == 1
    }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// Where the bytes that a field's value may hold end: the first control character other than HTAB, or `end`.
    ///
    /// Eight bytes a step: a borrow of the subtraction can only spoil bytes above the first hit, and only that is used.
    @inline(__always)
    static func endOfValue(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        while index &+ 8 <= end {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
            let deletes = word ^ 0x7F7F_7F7F_7F7F_7F7F
            let below = (word &- 0x2020_2020_2020_2020) & ~word
            let hits = (below | ((deletes &- 0x0101_0101_0101_0101) & ~deletes)) & 0x8080_8080_8080_8080
            if hits == 0 {
                index &+= 8
                continue
            }
            index &+= hits.trailingZeroBitCount &>> 3
            guard base[index] == tab else { return index }
            index &+= 1
        }
        while index < end {
            let byte = base[index]
            guard (byte >= 0x20 && byte != 0x7F) || byte == tab else { return index }
            index &+= 1
        }
        return end
    }

    /// Whether the bytes are `expected`, which is in lower case, whatever the case of their letters.
    @inline(__always)
    static func equalsIgnoringCase(_ bytes: UnsafeRawBufferPointer, _ expected: StaticString) -> Bool {
        guard bytes.count == expected.utf8CodeUnitCount else { return false }
        for index in 0..<bytes.count {
            let byte = bytes[index]
            let lowered = byte &- 0x41 < 26 ? byte | 0x20 : byte
            if lowered != expected.utf8Start[index] { return false }
        }
        return true
    }
}
