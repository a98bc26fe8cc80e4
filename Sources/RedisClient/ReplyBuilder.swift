internal import CRedis
internal import NIOCore

/// Makes Swift values straight from hiredis' callbacks, so that no `redisReply` tree is allocated and copied.
final class ReplyBuilder {
    private struct Level {
        var remaining: Int
        var elements: [RedisReply] = []
    }

    private var levels: [Level] = []
    private var finished: RedisReply?

    /// The reply that hiredis just reported complete.
    func take() -> RedisReply? {
        defer { finished = nil }
        return finished
    }

    fileprivate func add(_ reply: RedisReply) {
        var reply = reply
        while !levels.isEmpty {
            levels[levels.count - 1].elements.append(reply)
            levels[levels.count - 1].remaining -= 1
            guard levels[levels.count - 1].remaining == 0 else { return }
            reply = .array(levels.removeLast().elements)
        }
        finished = reply
    }

    fileprivate func open(count: Int) {
        guard count > 0 else { return add(.array([])) }
        var level = Level(remaining: count)
        // A header alone is no reason to reserve what it promises.
        level.elements.reserveCapacity(min(count, 1024))
        levels.append(level)
    }

    static func functions() -> redisReplyObjectFunctions {
        redisReplyObjectFunctions(
            createString: { task, start, count in
                guard let task, let builder = RedisClient.builder(of: task) else { return nil }
                let bytes = UnsafeRawBufferPointer(start: start, count: count)
                switch task.pointee.type {
                case REDIS_REPLY_STATUS: builder.add(.status(String(decoding: bytes, as: UTF8.self)))
                case REDIS_REPLY_ERROR:
                    builder.add(.error(RedisServerError(message: String(decoding: bytes, as: UTF8.self))))
                default: builder.add(.bytes(ByteBuffer(bytes: bytes)))
                }
                return opaqueNonNull()
            },
            createArray: { task, count in
                guard let builder = RedisClient.builder(of: task) else { return nil }
                builder.open(count: Int(count))
                return opaqueNonNull()
            },
            createInteger: { task, value in
                guard let builder = RedisClient.builder(of: task) else { return nil }
                builder.add(.integer(Int(value)))
                return opaqueNonNull()
            },
            createNil: { task in
                guard let builder = RedisClient.builder(of: task) else { return nil }
                builder.add(.null)
                return opaqueNonNull()
            },
            freeObject: { _ in }
        )
    }
}

/// hiredis asks for an object and takes a null for "out of memory"; it looks at it no further, so that any address does.
private func opaqueNonNull() -> UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: 1) }

private func builder(of task: UnsafePointer<redisReadTask>?) -> ReplyBuilder? {
    task?.pointee.privdata.map { Unmanaged<ReplyBuilder>.fromOpaque($0).takeUnretainedValue() }
}
