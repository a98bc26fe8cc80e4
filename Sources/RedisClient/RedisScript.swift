internal import Hashing
internal import NIOCore

/// A Lua script, named to Redis by its SHA-1. Make one a script and keep it: connections know scripts by identity.
package final class RedisScript: Sendable {
    /// For logs.
    package let name: String
    package let source: [UInt8]
    /// 40 hexadecimal digits.
    package let sha1: String

    package init(name: String, source: [UInt8]) {
        self.name = name
        self.source = source
        sha1 = sha1Hex(source)
    }
}

/// A script call as it was asked for, kept until its reply: `NOSCRIPT` makes it leave once more, with the source.
struct ScriptCall {
    let script: RedisScript
    let keys: [RedisArgument]
    let arguments: [RedisArgument]

    func write(sendingSource: Bool, into buffer: inout ByteBuffer) {
        buffer.writeCommandHeader(argumentCount: 3 + keys.count + arguments.count)
        if sendingSource {
            buffer.writeLiteral("EVAL")
            buffer.writeArgument(.bytes(script.source))
        } else {
            buffer.writeLiteral("EVALSHA")
            buffer.writeArgument(.text(script.sha1))
        }
        buffer.writeArgument(.integer(keys.count))
        for key in keys { buffer.writeArgument(key) }
        for argument in arguments { buffer.writeArgument(argument) }
    }
}
