/// Names as a store's key can hold them: short and without NUL, which parts its fields. Others by their hash.
enum StorableName {
    static func of(_ name: String) -> String {
        let bytes = name.utf8
        return bytes.count > 64 || bytes.contains(0) ? hash(name) : name
    }

    static func hash(_ name: String) -> String {
        var first: UInt64 = 0xcbf2_9ce4_8422_2325
        var second: UInt64 = 0x9e37_79b9_7f4a_7c15
        for byte in name.utf8 {
            first = (first ^ UInt64(byte)) &* 0x100_0000_01b3
            second = (second &+ UInt64(byte)) &* 0xff51_afd7_ed55_8ccd
            second ^= second >> 32
        }
        return "#" + String(first, radix: 16) + String(second, radix: 16)
    }
}
