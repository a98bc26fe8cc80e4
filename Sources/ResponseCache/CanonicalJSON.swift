internal import Hashing
internal import NIOCore

/// Feeds a hasher with what a JSON text means, so that texts that mean the same give the same digest.
///
/// Members are sorted by their unescaped names, white space is dropped, strings go in unescaped and numbers as sent. Every value carries its
/// kind and its length or count, so no two different texts feed the same bytes. One owner; keeps its arrays between texts.
struct CanonicalJSON {
    private var tape = JSONTape()
    /// Indices of the member names being walked, innermost object last.
    private var order: [UInt32] = []
    private var output = ByteBuffer()

    /// Longer runs go straight to the hasher.
    private static let copiedBytes = 256
    private static let flushBytes = 8_192

    /// - Throws: `malformed`, `tooDeep`, `duplicateMember`; the hasher may then hold a part of the text and must be reset.
    mutating func feed(_ text: ByteBuffer, to hasher: SHA256Hasher) throws(UncacheableBody) {
        try tape.read(text)
        order.removeAll(keepingCapacity: order.capacity <= 4_096)
        output.clear()
        try emit(0, text, text.readableBytesSpan, hasher)
        hasher.update(output)
    }

    /// - Parameter bytes: the text's, borrowed once for all short copies.
    private mutating func emit(
        _ index: Int,
        _ text: ByteBuffer,
        _ bytes: RawSpan,
        _ hasher: SHA256Hasher
    ) throws(UncacheableBody) {
        let node = tape.nodes[index]
        switch node.kind {
        case .object: try emitObject(index, node, text, bytes, hasher)
        case .array:
            emitHead(UInt8(ascii: "a"), node.count)
            var element = index + 1
            while element < node.next {
                try emit(element, text, bytes, hasher)
                element = Int(tape.nodes[element].next)
            }
        case .string, .unescapedString: emitBytes(UInt8(ascii: "s"), node, text, bytes, hasher)
        case .numbers: emitNumbers(node, text, bytes, hasher)
        case .yes: output.writeInteger(UInt8(ascii: "t"))
        case .no: output.writeInteger(UInt8(ascii: "f"))
        case .null: output.writeInteger(UInt8(ascii: "n"))
        }
    }

    private mutating func emitObject(
        _ index: Int,
        _ node: JSONTape.Node,
        _ text: ByteBuffer,
        _ bytes: RawSpan,
        _ hasher: SHA256Hasher
    ) throws(UncacheableBody) {
        emitHead(UInt8(ascii: "o"), node.count)
        let first = order.count
        var name = index + 1
        for _ in 0..<node.count {
            order.append(UInt32(name))
            name = Int(tape.nodes[name + 1].next)
        }
        try sort(from: first, text)
        for position in first..<order.count {
            let name = Int(order[position])
            emitBytes(UInt8(ascii: "s"), tape.nodes[name], text, bytes, hasher)
            try emit(name + 1, text, bytes, hasher)
        }
        order.removeLast(order.count - first)
    }

    /// Insertion sort where it is the fastest, which is nearly always.
    private mutating func sort(from first: Int, _ text: ByteBuffer) throws(UncacheableBody) {
        let end = order.count
        guard end - first > 1 else { return }
        if end - first <= 16 {
            for unsorted in first + 1..<end {
                let name = order[unsorted]
                var gap = unsorted
                while gap > first, precedes(name, order[gap - 1], text) {
                    order[gap] = order[gap - 1]
                    gap -= 1
                }
                order[gap] = name
            }
        } else {
            let sorted = order[first...].sorted { precedes($0, $1, text) }
            order.replaceSubrange(first..., with: sorted)
        }
        for position in first + 1..<end where !precedes(order[position - 1], order[position], text) {
            throw .duplicateMember
        }
    }

    private func precedes(_ left: UInt32, _ right: UInt32, _ text: ByteBuffer) -> Bool {
        let left = tape.nodes[Int(left)]
        let right = tape.nodes[Int(right)]
        if left.prefix != right.prefix { return left.prefix < right.prefix }
        // Equal prefixes: short names are padded with zeros, so their lengths decide; only long ones have more to compare.
        if left.count <= 8 || right.count <= 8 { return left.count < right.count }
        return bytes(of: left, text).lexicographicallyPrecedes(bytes(of: right, text))
    }

    private func bytes(of node: JSONTape.Node, _ text: ByteBuffer) -> ByteBufferView {
        let start = Int(node.start)
        if node.kind == .unescapedString {
            return tape.unescaped.readableBytesView[start..<start + Int(node.count)]
        }
        return text.readableBytesView[text.readerIndex + start..<text.readerIndex + start + Int(node.count)]
    }

    /// Neighbours with commas and no white space between them, whatever was there.
    private mutating func emitNumbers(
        _ node: JSONTape.Node,
        _ text: ByteBuffer,
        _ bytes: RawSpan,
        _ hasher: SHA256Hasher
    ) {
        if node.prefix == node.count { return emitBytes(UInt8(ascii: "d"), node, text, bytes, hasher) }
        emitHead(UInt8(ascii: "d"), node.count)
        let letters = text.readableBytesUInt8Span
        let end = Int(node.start) + Int(node.prefix)
        var pieceStart = Int(node.start)
        for index in pieceStart..<end where letters[index] <= 0x20 {
            if index > pieceStart { output.writeBytes(bytes.extracting(pieceStart..<index)) }
            pieceStart = index + 1
        }
        output.writeBytes(bytes.extracting(pieceStart..<end))
        flush(hasher)
    }

    private mutating func emitHead(_ kind: UInt8, _ count: UInt32) {
        output.writeMultipleIntegers(kind, count)
    }

    private mutating func emitBytes(
        _ kind: UInt8,
        _ node: JSONTape.Node,
        _ text: ByteBuffer,
        _ bytes: RawSpan,
        _ hasher: SHA256Hasher
    ) {
        emitHead(kind, node.count)
        if node.count > Self.copiedBytes {
            hasher.update(output)
            output.clear()
            hasher.update(self.bytes(of: node, text))
            return
        }
        if node.kind == .unescapedString {
            output.writeBytes(self.bytes(of: node, text))
        } else {
            output.writeBytes(bytes.extracting(Int(node.start)..<Int(node.start + node.count)))
        }
        flush(hasher)
    }

    private mutating func flush(_ hasher: SHA256Hasher) {
        guard output.readableBytes > Self.flushBytes else { return }
        hasher.update(output)
        output.clear()
    }
}
