internal import Glibc
package import NIOCore

/// Finds the events of a server-sent stream (WHATWG HTML, 9.2) across the borders of its pieces, for accounting.
///
/// It only looks: what is passed on is passed on unchanged. Lines end with LF or CRLF (a lone CR, which no LLM service
/// sends, ends none). Data within one piece is handed out as a view of it, without a copy.
package struct SSEScanner {
    private let maxEvent: Int
    /// The beginning of a line whose end has not come.
    private var partialLine = ByteBuffer()
    /// The data lines so far of an event whose end has not come, joined by LF.
    private var data: ByteBuffer?
    /// Whether `data` is a buffer of our own, not a slice of the piece that is being scanned.
    private var ownsData = false
    /// The event is larger than `maxEvent`: nothing of it is kept or handed out.
    private var isSkipping = false
    private var isAtStart = true

    /// - Parameter maxEvent: bytes of one event that are kept while its end is awaited; a larger one is left out.
    package init(maxEvent: Int = 1 << 20) {
        self.maxEvent = maxEvent
    }

    /// Scans one piece.
    /// - Parameter onEvent: called with the data of each event that ends in it; events without data are left out.
    package mutating func feed(_ bytes: ByteBuffer, onEvent: (ByteBufferView) -> Void) {
        var start = bytes.readerIndex
        while let end = Self.lineFeed(in: bytes, from: start) {
            if partialLine.readableBytes > 0 {
                keep(bytes, start..<end)
                let line = partialLine
                partialLine = ByteBuffer()
                take(line, line.readerIndex..<line.writerIndex, onEvent)
            } else {
                take(bytes, start..<end, onEvent)
            }
            start = end + 1
        }
        if start < bytes.writerIndex { keep(bytes, start..<bytes.writerIndex) }
        // A slice of this piece would keep all of it alive until the next one comes.
        if let data, !ownsData {
            self.data = ByteBufferAllocator().buffer(buffer: data)
            ownsData = true
        }
    }

    /// The stream has ended: hands out an event that its last line completes although no empty line follows.
    package mutating func finish(onEvent: (ByteBufferView) -> Void) {
        let line = partialLine
        partialLine = ByteBuffer()
        take(line, line.readerIndex..<line.writerIndex, onEvent)
        dispatch(onEvent)
    }

    private static func lineFeed(in bytes: ByteBuffer, from start: Int) -> Int? {
        bytes.withUnsafeReadableBytes { readable in
            let offset = start - bytes.readerIndex
            guard let base = readable.baseAddress, offset < readable.count,
                let hit = memchr(base + offset, Int32(ByteClass.lineFeed), readable.count - offset)
            else { return nil }
            return bytes.readerIndex + base.distance(to: UnsafeRawPointer(hit))
        }
    }

    private mutating func keep(_ bytes: ByteBuffer, _ range: Range<Int>) {
        guard !isSkipping || partialLine.readableBytes == 0 else { return }
        let room = maxEvent - partialLine.readableBytes - (data?.readableBytes ?? 0)
        guard range.count <= room else {
            isSkipping = true
            data = nil
            // One byte tells that this line is not empty: an empty line ends the event that is skipped.
            partialLine = ByteBuffer(integer: UInt8(ascii: ":"))
            return
        }
        if let view = bytes.viewBytes(at: range.lowerBound, length: range.count) { partialLine.writeBytes(view) }
    }

    private mutating func take(_ bytes: ByteBuffer, _ range: Range<Int>, _ onEvent: (ByteBufferView) -> Void) {
        guard var line = bytes.viewBytes(at: range.lowerBound, length: range.count) else { return }
        if line.last == ByteClass.carriageReturn { line = line.dropLast() }
        if isAtStart {
            isAtStart = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
        }
        guard !line.isEmpty else {
            dispatch(onEvent)
            return
        }
        guard !isSkipping, let value = Self.dataValue(of: line) else { return }
        guard var joined = data else {
            data = ByteBuffer(value)
            ownsData = false
            return
        }
        data = nil
        guard joined.readableBytes + value.count < maxEvent else {
            isSkipping = true
            return
        }
        if !ownsData {
            let first = joined
            joined = ByteBufferAllocator().buffer(capacity: first.readableBytes + value.count + 1)
            joined.writeImmutableBuffer(first)
            ownsData = true
        }
        joined.writeInteger(ByteClass.lineFeed)
        joined.writeBytes(value)
        data = joined
    }

    private mutating func dispatch(_ onEvent: (ByteBufferView) -> Void) {
        if let data { onEvent(data.readableBytesView) }
        data = nil
        isSkipping = false
    }

    /// What follows `data:` and one optional space; nil for other fields and comments.
    private static func dataValue(of line: ByteBufferView) -> ByteBufferView? {
        let name: StaticString = "data"
        guard line.count >= 4 else { return nil }
        let start = line.startIndex
        for offset in 0..<4 where line[start + offset] != name.utf8Start[offset] { return nil }
        guard line.count > 4 else { return line.dropFirst(4) }
        guard line[start + 4] == ByteClass.colon else { return nil }
        let value = line.dropFirst(5)
        return value.first == ByteClass.space ? value.dropFirst() : value
    }
}
