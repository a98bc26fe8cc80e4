import Gateway
import Testing

@Suite struct ConfigurationAddressRangeTests {
    @Test(
        "A block holds the addresses that share its prefix",
        arguments: [
            (
                "10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                ["11.0.0.0", "9.255.255.255", "::a00:1", "x"]
            ),
            ("10.1.2.3", ["10.1.2.3"], ["10.1.2.4", "::1"]),
            ("10.1.2.3/31", ["10.1.2.2", "10.1.2.3"], ["10.1.2.4"]),
            ("0.0.0.0/0", ["1.2.3.4"], ["::1", "2001:db8::1"]),
            ("2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::"], ["2001:db9::", "10.0.0.1"]),
            ("::/0", ["::1", "fe80::1%eth0"], ["10.0.0.1"]),
            ("::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "127.0.0.1"]),
            ("2001:db8::8000:0:0:0/65", ["2001:db8::8000:0:0:1"], ["2001:db8::"]),
        ]
    )
    func contains(block: String, inside: [String], outside: [String]) throws {
        let range = try #require(AddressRange(block))
        for address in inside { #expect(range.contains(address), "\(address)") }
        for address in outside { #expect(!range.contains(address), "\(address)") }
    }

    @Test(
        "What is no block is refused",
        arguments: [
            "", "10.0.0", "10.0.0.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8", "::/129", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1:",
            ":1", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "host", "10.0.0.0 ", ".1.2.3",
        ]
    )
    func refused(block: String) {
        #expect(AddressRange(block) == nil)
        #expect(!AddressRange.isAddress(block))
    }

    @Test(
        "Limits count an IPv6 caller by its /64, in one spelling",
        arguments: [
            ("10.1.2.3", "10.1.2.3"), ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:0:0:0:0/64"), ("2001:0DB8:1:2::9", "2001:db8:1:2:0:0:0:0/64"),
            ("::1", "0:0:0:0:0:0:0:0/64"), ("", ""), ("not an address", "not an address"),
        ]
    )
    func limitIdentity(address: String, identity: String) {
        #expect(AddressRange.limitIdentity(of: address) == identity)
    }
}
