/// Writes gzip (RFC 1952) with deflate's fixed codes (RFC 1951, 3.2.6).
///
/// The page's files are compressed once, at start. This brings text to some 40 % where zlib at its best reaches 30 %; in return
/// there is no further C library, and no compressed copy in the repository that could differ from its source.
package enum Gzip {
    private static let minMatch = 3
    private static let maxMatch = 258
    private static let window = 32_768
    /// How many earlier places with the same three bytes are looked at.
    private static let maxChain = 128

    package static func compress(_ input: [UInt8]) -> [UInt8] {
        // Deflate, no flags, no time, best compression, Unix: the same input gives the same bytes.
        var output: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3]
        var bits = BitWriter()
        bits.write(1, count: 1)
        bits.write(1, count: 2)
        writeSymbols(of: input, to: &bits)
        bits.writeCode(0, count: 7)
        output += bits.finish()
        append(crc32(input), to: &output)
        append(UInt32(truncatingIfNeeded: input.count), to: &output)
        return output
    }

    private static func writeSymbols(of input: [UInt8], to bits: inout BitWriter) {
        var places: [UInt32: [Int]] = [:]
        var position = 0
        while position < input.count {
            let (length, distance) = longestMatch(in: input, at: position, places)
            let step = length >= minMatch ? length : 1
            if length >= minMatch {
                writeMatch(length: length, distance: distance, to: &bits)
            } else {
                writeLiteral(Int(input[position]), to: &bits)
            }
            for index in position..<max(position, min(position + step, input.count - minMatch + 1)) {
                places[key(input, index), default: []].append(index)
            }
            position += step
        }
    }

    private static func key(_ input: [UInt8], _ index: Int) -> UInt32 {
        UInt32(input[index]) << 16 | UInt32(input[index + 1]) << 8 | UInt32(input[index + 2])
    }

    private static func longestMatch(
        in input: [UInt8],
        at position: Int,
        _ places: [UInt32: [Int]]
    ) -> (length: Int, distance: Int) {
        guard position + minMatch <= input.count, let candidates = places[key(input, position)] else { return (0, 0) }
        let limit = min(maxMatch, input.count - position)
        var best = (length: 0, distance: 0)
        for candidate in candidates.suffix(maxChain).reversed() {
            guard position - candidate <= window else { break }
            var length = minMatch
            while length < limit, input[candidate + length] == input[position + length] { length += 1 }
            if length > best.length { best = (length, position - candidate) }
            if length == limit { break }
        }
        return best
    }

    private static func writeLiteral(_ symbol: Int, to bits: inout BitWriter) {
        switch symbol {
        case ..<144: bits.writeCode(0x30 + symbol, count: 8)
        case ..<256: bits.writeCode(0x190 + symbol - 144, count: 9)
        case ..<280: bits.writeCode(symbol - 256, count: 7)
        default: bits.writeCode(0xC0 + symbol - 280, count: 8)
        }
    }

    private static func writeMatch(length: Int, distance: Int, to bits: inout BitWriter) {
        let lengthIndex = lastIndex(of: length, in: lengthBases)
        writeLiteral(257 + lengthIndex, to: &bits)
        bits.write(length - lengthBases[lengthIndex], count: lengthExtraBits[lengthIndex])
        let distanceIndex = lastIndex(of: distance, in: distanceBases)
        bits.writeCode(distanceIndex, count: 5)
        bits.write(distance - distanceBases[distanceIndex], count: max(0, distanceIndex / 2 - 1))
    }

    private static func lastIndex(of value: Int, in bases: [Int]) -> Int {
        (bases.firstIndex { $0 > value } ?? bases.count) - 1
    }

    private static let lengthBases = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthExtraBits = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBases = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1_025, 1_537, 2_049, 3_073,
        4_097,
        6_145, 8_193, 12_289, 16_385, 24_577,
    ]

    private static func crc32(_ input: [UInt8]) -> UInt32 {
        ~input.reduce(~0) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
    }

    private static func append(_ number: UInt32, to output: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) {
            output.append(UInt8(truncatingIfNeeded: number >> UInt32(shift)))
        }
    }
}

/// Packs bits into bytes, lowest first (RFC 1951, 3.1.1).
private struct BitWriter {
    private var bytes: [UInt8] = []
    private var pending: UInt64 = 0
    private var count = 0

    /// A number: its lowest bit first.
    mutating func write(_ number: Int, count bits: Int) {
        pending |= UInt64(number) << UInt64(count)
        count += bits
        while count >= 8 {
            bytes.append(UInt8(truncatingIfNeeded: pending))
            pending >>= 8
            count -= 8
        }
    }

    /// A Huffman code: its highest bit first.
    mutating func writeCode(_ code: Int, count bits: Int) {
        for bit in stride(from: bits - 1, through: 0, by: -1) { write(code >> bit & 1, count: 1) }
    }

    mutating func finish() -> [UInt8] {
        if count > 0 { write(0, count: 8 - count) }
        return bytes
    }
}
