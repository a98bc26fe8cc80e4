internal import Glibc
internal import NIOCore

/// Collects curl's header lines of one answer into one buffer.
struct AnswerHead {
    enum Step {
        case incomplete
        /// The status line of the final answer: its first byte is here.
        case began
        case complete
        /// A line of a trailer.
        case ignored
        case failed(TransferError)
    }

    /// More than any server sends; curl's own bound is 300 KiB.
    private static let limit = 256 * 1024

    private(set) var status = 0
    private(set) var version = TransferSummary.Version.http1
    private(set) var fields = ByteBuffer()
    private(set) var isComplete = false
    private var isInterim = true

    mutating func reset() {
        self = AnswerHead()
    }

    /// The lines are the receiver's now.
    mutating func takeFields() -> ByteBuffer {
        defer { fields = ByteBuffer() }
        return fields
    }

    /// - Parameter line: with its CRLF; LF alone is passed on as CRLF.
    mutating func append(_ line: UnsafeRawBufferPointer) -> Step {
        if isComplete { return .ignored }
        var length = line.count
        while length > 0, line[length - 1] == 0x0A || line[length - 1] == 0x0D { length -= 1 }
        if length == 0 {
            // After an interim head the next status line follows.
            guard status != 0, !isInterim else { return .incomplete }
            isComplete = true
            return .complete
        }
        if isInterim, length >= 5, line.starts(with: "HTTP/".utf8) {
            return statusLine(line)
        }
        if isInterim { return .incomplete }
        guard fields.readableBytes + length + 2 <= Self.limit else {
            return .failed(.malformedAnswer("the head is larger than 256 KiB"))
        }
        if length + 2 == line.count, line[length] == 0x0D {
            fields.writeBytes(line)
        } else {
            fields.writeBytes(UnsafeRawBufferPointer(rebasing: line[..<length]))
            fields.writeInteger(0x0D0A as UInt16)
        }
        return .incomplete
    }

    private mutating func statusLine(_ line: UnsafeRawBufferPointer) -> Step {
        guard let space = line.firstIndex(of: 0x20), space + 3 < line.count else {
            return .failed(.malformedAnswer("the status line is malformed"))
        }
        var code = 0
        for digit in line[(space + 1)...(space + 3)] {
            guard (0x30...0x39).contains(digit) else {
                return .failed(.malformedAnswer("the status line is malformed"))
            }
            code = code * 10 + Int(digit - 0x30)
        }
        // No upgrade is ever asked for.
        guard code >= 100, code != 101 else { return .failed(.malformedAnswer("status \(code) is out of place")) }
        status = code
        version = line[5] == UInt8(ascii: "2") ? .http2 : .http1
        isInterim = code < 200
        guard !isInterim else { return .incomplete }
        fields.reserveCapacity(512)
        return .began
    }
}
