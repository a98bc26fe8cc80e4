package import NIOCore

/// Short texts written in place.
///
/// `ByteBuffer.writeStaticString` and `writeInteger` are not inlined into other modules: 170 instructions a call, which a
/// reply's own fields would pay forty times.
extension ByteBuffer {
    package mutating func writeText(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            target.copyMemory(from: UnsafeRawBufferPointer(start: text.utf8Start, count: count))
            return count
        }
    }

    package mutating func writeDecimal(_ value: Int) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: Decimal.maxDigits) { target in
            var rest = value.magnitude
            var count = value < 0 ? 2 : 1
            if value < 0 { target[0] = UInt8(ascii: "-") }
            // Ends at 10^19, which a UInt holds.
            var bound: UInt = 10
            while rest >= bound {
                count += 1
                bound *= 10
            }
            var index = count
            repeat {
                index -= 1
                target[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            return count
        }
    }

    /// Sixteen hexadecimal digits, in lower case.
    package mutating func writeHexadecimal(_ value: UInt64) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 16) { target in
            target.storeBytes(of: Self.digits(value >> 32).bigEndian, as: UInt64.self)
            target.storeBytes(of: Self.digits(value & 0xFFFF_FFFF).bigEndian, toByteOffset: 8, as: UInt64.self)
            return 16
        }
    }

    /// The eight digits of 32 bits, all at once: the first one in the highest byte.
    private static func digits(_ word: UInt64) -> UInt64 {
        // Each half, then each byte, then each nibble goes to the low end of its own part of the word.
        var spread = (word & 0xFFFF_0000) << 16 | word & 0xFFFF
        spread = (spread & 0x0000_FF00_0000_FF00) << 8 | spread & 0x0000_00FF_0000_00FF
        spread = (spread & 0x00F0_00F0_00F0_00F0) << 4 | spread & 0x000F_000F_000F_000F
        let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }
}
