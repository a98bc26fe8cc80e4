import HTTPWire
import NIOCore
import Testing

@Suite struct WireTextTests {
    @Test(
        "Numbers are written as Swift prints them",
        arguments: [0, 9, 10, 99, 100, 12_345_678, 100_000_000, -1, -10, .max, .min]
    )
    func decimal(value: Int) {
        var buffer = ByteBuffer()
        buffer.writeText("n=")
        buffer.writeDecimal(value)
        #expect(String(buffer: buffer) == "n=\(value)")
    }

    @Test("Sixteen digits, with leading zeros", arguments: [0, 0x0123_4567_89AB_CDEF, 0xA0, UInt64.max])
    func hexadecimal(value: UInt64) {
        var buffer = ByteBuffer()
        buffer.writeHexadecimal(value)
        let digits = String(value, radix: 16)
        #expect(String(buffer: buffer) == String(repeating: "0", count: 16 - digits.count) + digits)
    }
}
