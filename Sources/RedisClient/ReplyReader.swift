internal import CRedis
package import NIOCore

/// Cuts bytes from Redis into replies with hiredis' reader. One event loop owns it.
package struct ReplyReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>
    private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>
    private let builder = ReplyBuilder()

    package init() {
        functions = .allocate(capacity: 1)
        functions.initialize(to: ReplyBuilder.functions())
        guard let reader = redisReaderCreateWithFunctions(functions) else { fatalError("out of memory") }
        reader.pointee.privdata = Unmanaged.passUnretained(builder).toOpaque()
        self.reader = reader
    }

    deinit {
        redisReaderFree(reader)
        functions.deallocate()
    }

    /// - Throws: `.malformedReply`: the stream is out of step, close the connection.
    package mutating func feed(_ bytes: ByteBuffer) throws(RedisError) {
        let status = bytes.withUnsafeReadableBytes { bytes in
            redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard status == REDIS_OK else { throw .malformedReply }
    }

    /// The next complete reply, `nil` where more bytes are needed.
    /// - Throws: `.malformedReply`: the stream is out of step, close the connection.
    package mutating func next() throws(RedisError) -> RedisReply? {
        var object: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &object) == REDIS_OK else { throw .malformedReply }
        return object == nil ? nil : builder.take()
    }
}
