internal import NIOCore

/// The bytes of a streamed body that wait to be sent.
struct UploadQueue {
    private var buffers = CircularBuffer<ByteBuffer>()
    private(set) var waiting = 0
    /// Bytes that were appended in all.
    private(set) var appended = 0
    private(set) var isFinished = false
    /// Declared; nil: not known.
    private var length: Int?

    init(length: Int? = nil) {
        self.length = length
    }

    var hasEnded: Bool { isFinished && waiting == 0 }
    /// What curl took. If it took any, it cannot begin again.
    var taken: Int { appended - waiting }

    /// - Returns: false: more than was declared.
    mutating func append(_ bytes: ByteBuffer) -> Bool {
        guard !isFinished, bytes.readableBytes > 0 else { return true }
        appended += bytes.readableBytes
        waiting += bytes.readableBytes
        buffers.append(bytes)
        return appended <= length ?? Int.max
    }

    /// - Returns: false: less than was declared.
    mutating func finish() -> Bool {
        isFinished = true
        return length == nil || appended == length
    }

    /// - Returns: how many bytes were put to the front of `target`.
    mutating func read(into target: UnsafeMutableRawBufferPointer) -> Int {
        var count = 0
        while count < target.count, !buffers.isEmpty {
            let first = buffers.startIndex
            let taken = min(target.count - count, buffers[first].readableBytes)
            buffers[first].readWithUnsafeReadableBytes { source in
                target.baseAddress!.advanced(by: count).copyMemory(from: source.baseAddress!, byteCount: taken)
                return taken
            }
            if buffers[first].readableBytes == 0 { buffers.removeFirst() }
            count += taken
        }
        waiting -= count
        return count
    }
}
