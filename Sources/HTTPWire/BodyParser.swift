package import NIOCore

/// One piece of a request's body.
package enum BodyPart: Equatable {
    /// A slice of the buffer it was taken from.
    case bytes(ByteBuffer)
    /// The body is complete, its trailer fields are checked and dropped.
    case end
    /// More bytes are needed.
    case incomplete
}

/// Takes a body out of the bytes that it came in (RFC 9112, 6 and 7).
struct BodyParser {
    /// Of one chunk's first line, with extensions: signatures take 85; longer ones only cost time.
    private static let maxChunkLine = 256

    private enum State {
        case ended
        case fixed(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailer(bytes: Int)
    }

    private let maxTrailer: Int
    private var state = State.ended

    init(maxTrailer: Int) {
        self.maxTrailer = maxTrailer
    }

    var hasEnded: Bool {
        if case .ended = state { true } else { false }
    }

    /// Bytes still to come at least; nil: not known.
    var remaining: Int? {
        switch state {
        case .ended: 0
        case .fixed(let remaining): remaining
        default: nil
        }
    }

    mutating func begin(_ length: BodyLength) {
        switch length {
        case .none, .fixed(0): state = .ended
        case .fixed(let length): state = .fixed(remaining: length)
        case .chunked: state = .chunkSize
        }
    }

    mutating func next(_ buffer: inout ByteBuffer) throws(WireError) -> BodyPart {
        while true {
            switch state {
            case .ended: return .end
            case .fixed(let remaining):
                guard let bytes = Self.take(remaining, from: &buffer) else { return .incomplete }
                let left = remaining - bytes.readableBytes
                state = left == 0 ? .ended : .fixed(remaining: left)
                return .bytes(bytes)
            case .chunkSize:
                guard let size = try chunkSize(&buffer) else { return .incomplete }
                state = size == 0 ? .trailer(bytes: 0) : .chunkData(remaining: size)
            case .chunkData(let remaining):
                guard let bytes = Self.take(remaining, from: &buffer) else { return .incomplete }
                let left = remaining - bytes.readableBytes
                state = left == 0 ? .chunkEnd : .chunkData(remaining: left)
                return .bytes(bytes)
            case .chunkEnd:
                guard try chunkEnd(&buffer) else { return .incomplete }
                state = .chunkSize
            case .trailer(let bytes):
                guard try trailer(&buffer, bytes) else { return .incomplete }
                state = .ended
            }
        }
    }

    private static func take(_ remaining: Int, from buffer: inout ByteBuffer) -> ByteBuffer? {
        guard buffer.readableBytes > 0 else { return nil }
        return buffer.readSlice(length: min(remaining, buffer.readableBytes))
    }

    /// Reads `size [BWS ;extension] CRLF`.
    private func chunkSize(_ buffer: inout ByteBuffer) throws(WireError) -> Int? {
        let (size, length) = try buffer.withUnsafeReadableBytes { bytes throws(WireError) -> (Int, Int) in
            var size = 0
            var index = 0
            while index < bytes.count, let digit = Self.hexDigit(bytes[index]) {
                guard index < 16, size <= Int.max >> 4 else { throw .invalidChunkSize }
                size = size << 4 | digit
                index += 1
            }
            guard index < bytes.count else { return (0, 0) }
            guard index > 0 else { throw .invalidChunkSize }
            guard let end = try Self.endOfExtension(bytes, from: index) else {
                guard bytes.count < Self.maxChunkLine else { throw .malformedChunkExtension }
                return (0, 0)
            }
            guard end <= Self.maxChunkLine else { throw .malformedChunkExtension }
            return (size, end)
        }
        guard length > 0 else { return nil }
        buffer.moveReaderIndex(forwardBy: length)
        return size
    }

    /// - Returns: where the chunk's data begin; nil where the line is not whole yet.
    private static func endOfExtension(_ bytes: UnsafeRawBufferPointer, from start: Int) throws(WireError) -> Int? {
        var index = start
        while index < bytes.count, ByteClass.isBlank(bytes[index]) { index += 1 }
        guard index < bytes.count else { return nil }
        if bytes[index] == UInt8(ascii: ";") {
            while index < bytes.count, bytes[index] >= 0x20 && bytes[index] != 0x7F || bytes[index] == ByteClass.tab {
                index += 1
            }
            guard index < bytes.count else { return nil }
        } else if index > start {
            // White space may stand before an extension only.
            throw .invalidChunkSize
        }
        switch bytes[index] {
        case ByteClass.carriageReturn:
            guard index + 1 < bytes.count else { return nil }
            guard bytes[index + 1] == ByteClass.lineFeed else { throw .bareCarriageReturn }
            return index + 2
        case ByteClass.lineFeed: throw .bareLineFeed
        default: throw bytes[start] == UInt8(ascii: ";") ? .malformedChunkExtension : .invalidChunkSize
        }
    }

    private static func hexDigit(_ byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte &- 0x30)
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(byte &- 0x57)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(byte &- 0x37)
        default: nil
        }
    }

    private func chunkEnd(_ buffer: inout ByteBuffer) throws(WireError) -> Bool {
        guard let first = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) else { return false }
        guard first == ByteClass.carriageReturn else { throw .missingChunkEnd }
        guard let second = buffer.getInteger(at: buffer.readerIndex + 1, as: UInt8.self) else { return false }
        guard second == ByteClass.lineFeed else { throw .missingChunkEnd }
        buffer.moveReaderIndex(forwardBy: 2)
        return true
    }

    /// Checks trailer fields line by line and drops them: nothing here may change what the head said (RFC 9110, 6.5.1).
    private mutating func trailer(_ buffer: inout ByteBuffer, _ before: Int) throws(WireError) -> Bool {
        let (length, isEnd) = try buffer.withUnsafeReadableBytes { bytes throws(WireError) -> (Int, Bool) in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return (0, false) }
            var reader = FieldLineReader(base: base, end: bytes.count, position: 0)
            while true {
                switch try reader.next() {
                case .line: continue
                case .end: return (reader.position, true)
                case .incomplete:
                    guard before + bytes.count <= maxTrailer else { throw .trailerTooLarge(limit: maxTrailer) }
                    return (reader.position, false)
                }
            }
        }
        guard before + length <= maxTrailer + 2 else { throw .trailerTooLarge(limit: maxTrailer) }
        buffer.moveReaderIndex(forwardBy: length)
        state = .trailer(bytes: before + length)
        return isEnd
    }
}
