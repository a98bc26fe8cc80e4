import RedisClient
import Testing

@Suite struct KeySlotTests {
    @Test(
        "A key's slot is its CRC16's, or that of what its first braces hold",
        arguments: [
            // The check value of CRC-16/XMODEM is 0x31C3.
            ("123456789", 0x31C3 % 16_384), ("foo", 12_182), ("", 0), ("{user1000}.following", 3_443),
            ("{user1000}.followers", 3_443), ("foo{}{bar}", 8_363), ("foo{{bar}}zap", 4_015), ("foo{bar}{zap}", 5_061),
            ("bar", 5_061), ("{bar", 4_015),
        ]
    )
    func slots(key: String, slot: Int) {
        #expect(KeySlot(key).number == UInt16(slot))
        #expect(KeySlot(RedisArgument.bytes(Array(key.utf8))) == KeySlot(RedisArgument.text(key)))
    }

    @Test("An argument that is a number or a literal is hashed as it is written")
    func arguments() {
        #expect(KeySlot(RedisArgument.integer(-42)) == KeySlot("-42"))
        #expect(KeySlot("foo" as RedisArgument) == KeySlot("foo"))
    }

    @Test("Even tags lie one in each equal part of the slots", arguments: [1, 2, 16, 128])
    func evenTags(count: Int) {
        let tags = KeySlot.evenTags(prefix: "c1:", count: count)
        #expect(tags.count == count)
        #expect(tags.allSatisfy { $0.hasPrefix("c1:") })
        #expect(tags.map { Int(KeySlot($0).number) * count / KeySlot.count } == Array(0..<count))
    }
}
