package import NIOCore

/// One argument of a command, in the form that its owner has it in: nothing is turned into a `String` on its way out.
package enum RedisArgument: Sendable, Equatable {
    case text(String)
    case literal(StaticText)
    case bytes([UInt8])
    case buffer(ByteBuffer)
    /// Decimal digits.
    case integer(Int)
}

/// A `StaticString` that can be compared.
package struct StaticText: Sendable, Equatable {
    let value: StaticString
    package init(_ value: StaticString) { self.value = value }

    package static func == (left: StaticText, right: StaticText) -> Bool {
        left.value.withUTF8Buffer { left in right.value.withUTF8Buffer { left.elementsEqual($0) } }
    }
}

extension RedisArgument: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: StaticString) { self = .literal(StaticText(value)) }

    package init(integerLiteral value: Int) { self = .integer(value) }
}

/// RESP's form of commands: arrays of bulk strings (redis.io, "Redis serialization protocol specification").
///
/// Written straight into the outgoing buffer: `redisFormatCommandArgv` would allocate and copy once more a command.
extension ByteBuffer {
    mutating func writeCommandHeader(argumentCount: Int) {
        writeInteger(UInt8(ascii: "*"))
        writeDecimal(argumentCount)
        writeLineEnd()
    }

    mutating func writeArgument(_ argument: RedisArgument) {
        switch argument {
        case .text(let text):
            writeBulkHeader(byteCount: text.utf8.count)
            writeString(text)
        case .literal(let text):
            writeLiteral(text.value)
            return
        case .bytes(let bytes):
            writeBulkHeader(byteCount: bytes.count)
            writeBytes(bytes)
        case .buffer(let buffer):
            writeBulkHeader(byteCount: buffer.readableBytes)
            writeImmutableBuffer(buffer)
        case .integer(let value):
            writeBulkHeader(byteCount: Self.decimalByteCount(value))
            writeDecimal(value)
        }
        writeLineEnd()
    }

    mutating func writeLiteral(_ text: StaticString) {
        text.withUTF8Buffer { bytes in
            writeBulkHeader(byteCount: bytes.count)
            writeBytes(bytes)
        }
        writeLineEnd()
    }

    package mutating func writeCommand(_ arguments: [RedisArgument]) {
        writeCommandHeader(argumentCount: arguments.count)
        for argument in arguments { writeArgument(argument) }
    }

    private mutating func writeBulkHeader(byteCount: Int) {
        writeInteger(UInt8(ascii: "$"))
        writeDecimal(byteCount)
        writeLineEnd()
    }

    private mutating func writeLineEnd() { writeInteger(0x0D0A as UInt16) }

    private static func decimalByteCount(_ value: Int) -> Int {
        var count = value < 0 ? 2 : 1
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        return count
    }

    private mutating func writeDecimal(_ value: Int) {
        let count = Self.decimalByteCount(value)
        writeWithUnsafeMutableBytes(minimumWritableBytes: count) { bytes in
            var rest = value.magnitude
            var position = count
            repeat {
                position -= 1
                bytes[position] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 { bytes[0] = UInt8(ascii: "-") }
            return count
        }
    }
}
