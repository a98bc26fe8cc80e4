internal import Hashing

/// How often keys were asked for lately: a count-min sketch of 4-bit counters that are halved from time to time.
///
/// Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 13(4), 2017. Four counters
/// a key, 16 in a word; the keys are digests, whose bits serve as the four independent hashes.
struct FrequencySketch {
    static let largest = 15
    private static let leastSample = 1_024
    private var words: [UInt64]
    private var additions = 0

    /// - Parameter expectedEntries: of the whole cache; a word (8 bytes) is kept for each.
    init(expectedEntries: Int) {
        var size = 64
        while size < expectedEntries { size *= 2 }
        words = Array(repeating: 0, count: size)
    }

    /// 0…15.
    func frequency(of key: CacheKey) -> Int {
        var least = UInt64(Self.largest)
        for row in 0..<4 {
            let (word, shift) = place(of: key, row: row)
            least = min(least, words[word] >> shift & 0xF)
        }
        return Int(least)
    }

    /// - Parameter entries: held now; after ten times as many additions what was counted before loses half its weight.
    mutating func count(_ key: CacheKey, entries: Int) {
        var added = false
        for row in 0..<4 {
            let (word, shift) = place(of: key, row: row)
            if words[word] >> shift & 0xF < 15 {
                words[word] += 1 << shift
                added = true
            }
        }
        guard added else { return }
        additions += 1
        if additions >= 10 * max(entries, Self.leastSample) { halve() }
    }

    private mutating func halve() {
        for index in words.indices { words[index] = words[index] >> 1 & 0x7777_7777_7777_7777 }
        additions /= 2
    }

    private func place(of key: CacheKey, row: Int) -> (word: Int, shift: UInt64) {
        let (first, second) = key.digest.leadingWords
        let bits = (row < 2 ? first : second) >> UInt64(row % 2 * 32) & 0xFFFF_FFFF
        // Each row has four of a word's 16 counters, so that a key never counts twice in one.
        return (Int(bits) & (words.count - 1), (UInt64(row) * 4 + bits >> 30) * 4)
    }
}
