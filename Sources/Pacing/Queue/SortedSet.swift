/// An ordered set in short sorted chunks: smallest first, insertion and removal anywhere.
///
/// Cost: a binary search and the move of at most `capacity` elements; a split moves the list of chunks once in
/// `capacity / 2` insertions, which at 100,000 elements is still less than one chunk. No node is allocated for an element.
struct SortedSet<Element: Comparable & Sendable>: Sendable {
    private static var capacity: Int { 64 }
    private var chunks: [[Element]] = []
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }
    var first: Element? { chunks.first?.first }

    /// - Returns: false where an equal element is there already; nothing changes then.
    @discardableResult
    mutating func insert(_ element: Element) -> Bool {
        guard !chunks.isEmpty else {
            chunks.append([element])
            count = 1
            return true
        }
        let chunk = chunkIndex(for: element)
        let position = Self.position(of: element, in: chunks[chunk])
        if position < chunks[chunk].count, chunks[chunk][position] == element { return false }
        chunks[chunk].insert(element, at: position)
        count += 1
        if chunks[chunk].count > Self.capacity {
            let upper = Array(chunks[chunk][(Self.capacity / 2)...])
            chunks[chunk].removeLast(upper.count)
            chunks.insert(upper, at: chunk + 1)
        }
        return true
    }

    /// - Returns: false where no equal element was there.
    @discardableResult
    mutating func remove(_ element: Element) -> Bool {
        guard !chunks.isEmpty else { return false }
        let chunk = chunkIndex(for: element)
        let position = Self.position(of: element, in: chunks[chunk])
        guard position < chunks[chunk].count, chunks[chunk][position] == element else { return false }
        chunks[chunk].remove(at: position)
        count -= 1
        if chunks[chunk].isEmpty { chunks.remove(at: chunk) }
        return true
    }

    func contains(_ element: Element) -> Bool {
        guard !chunks.isEmpty else { return false }
        let chunk = chunks[chunkIndex(for: element)]
        let position = Self.position(of: element, in: chunk)
        return position < chunk.count && chunk[position] == element
    }

    /// How many are smaller; nil where no equal element is there.
    func rank(of element: Element) -> Int? {
        guard !chunks.isEmpty else { return nil }
        let chunk = chunkIndex(for: element)
        let position = Self.position(of: element, in: chunks[chunk])
        guard position < chunks[chunk].count, chunks[chunk][position] == element else { return nil }
        return chunks[..<chunk].reduce(position) { $0 + $1.count }
    }

    /// The smallest elements, at most so many.
    func prefix(_ length: Int) -> [Element] {
        var found: [Element] = []
        for chunk in chunks {
            found.append(contentsOf: chunk.prefix(length - found.count))
            if found.count == length { break }
        }
        return found
    }

    /// The last chunk that begins at or before the element.
    private func chunkIndex(for element: Element) -> Int {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle][0] > element { high = middle } else { low = middle + 1 }
        }
        return max(0, low - 1)
    }

    private static func position(of element: Element, in chunk: [Element]) -> Int {
        var low = 0
        var high = chunk.count
        while low < high {
            let middle = (low + high) / 2
            if chunk[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
