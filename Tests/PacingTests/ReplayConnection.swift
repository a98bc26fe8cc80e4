import Foundation
import NIOCore
import RedisClient

/// A blocking connection to a Redis that speaks RESP3: replies and pushes on one connection, in order.
final class ReplayConnection {
    struct Failed: Error {
        let what: String
    }

    struct Push {
        var channel: String
        var message: ByteBuffer
    }

    private let descriptor: Int32
    private var output = ByteBuffer()
    private var input: [UInt8] = []
    private var position = 0
    private var pushes: [Push] = []

    /// - Parameter path: of the server's Unix socket.
    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failed(what: "socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Failed(what: "a long path") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard connected == 0 else { throw Failed(what: "connect to \(path)") }
        write(["HELLO", "3"])
        try flush()
        _ = try read()
    }

    func close() { _ = Foundation.close(descriptor) }

    func use(script source: [UInt8]) throws {
        write(["SCRIPT", "LOAD", .bytes(source)])
        try flush()
        if case .error(let error) = try read() { throw Failed(what: "\(error)") }
    }

    func write(_ command: [RedisArgument]) { output.writeCommand(command) }

    func flush() throws {
        while output.readableBytes > 0 {
            let count = output.withUnsafeReadableBytes { send(descriptor, $0.baseAddress, $0.count, 0) }
            guard count > 0 else { throw Failed(what: "write") }
            output.moveReaderIndex(forwardBy: count)
        }
        output.clear()
    }

    /// The next reply; pushes before it are kept.
    func read() throws -> RedisReply {
        while true {
            if position > 1 << 16 {
                input.removeFirst(position)
                position = 0
            }
            if let reply = try value() { return reply }
        }
    }

    func takePushes() -> [Push] {
        let taken = pushes
        pushes = []
        return taken
    }

    // MARK: RESP3 (redis.io, "Redis serialization protocol specification")

    /// - Returns: nil for a push.
    private func value() throws -> RedisReply? {
        let line = try line()
        guard let kind = line.first else { throw Failed(what: "an empty line") }
        let rest = String(decoding: line.dropFirst(), as: UTF8.self)
        switch kind {
        case UInt8(ascii: ":"): return .integer(Int(rest) ?? 0)
        case UInt8(ascii: "+"): return .status(rest)
        case UInt8(ascii: "-"): throw Failed(what: rest)
        case UInt8(ascii: "_"): return .null
        case UInt8(ascii: "#"): return .integer(rest == "t" ? 1 : 0)
        case UInt8(ascii: "$"), UInt8(ascii: "="):
            guard let count = Int(rest), count >= 0 else { return .null }
            return .bytes(try bytes(count))
        case UInt8(ascii: "*"), UInt8(ascii: "~"): return .array(try values(Int(rest) ?? 0))
        case UInt8(ascii: "%"): return .array(try values(2 * (Int(rest) ?? 0)))
        case UInt8(ascii: ">"):
            let parts = try values(Int(rest) ?? 0)
            if parts.first?.string == "message", let channel = parts[1].string, let message = parts[2].bytes {
                pushes.append(Push(channel: channel, message: message))
            }
            return nil
        default: throw Failed(what: "a reply of kind \(kind)")
        }
    }

    private func values(_ count: Int) throws -> [RedisReply] {
        var found: [RedisReply] = []
        for _ in 0..<max(0, count) { if let value = try value() { found.append(value) } }
        return found
    }

    private func line() throws -> ArraySlice<UInt8> {
        var end = position
        while true {
            while end < input.count, input[end] != UInt8(ascii: "\r") { end += 1 }
            if end + 1 < input.count { break }
            try receive()
        }
        let line = input[position..<end]
        position = end + 2
        return line
    }

    private func bytes(_ count: Int) throws -> ByteBuffer {
        while input.count < position + count + 2 { try receive() }
        let buffer = ByteBuffer(bytes: input[position..<(position + count)])
        position += count + 2
        return buffer
    }

    private func receive() throws {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { throw Failed(what: "the connection is closed") }
        input.append(contentsOf: chunk[..<count])
    }
}
