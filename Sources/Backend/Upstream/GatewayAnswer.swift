internal import CurlClient
internal import FoundationEssentials
internal import NIOCore

/// An answer as it arrives. Read by one task, once.
struct GatewayAnswer: Sendable {
    enum Part: Sendable {
        case head(status: Int, retryAfter: Int?)
        case body(ByteBuffer)
        /// The last part; nil: complete.
        case ended(GatewayError?)
    }

    let parts: AsyncStream<Part>

    /// The body of a 200.
    func bodies() -> Bodies { Bodies(parts: parts.makeAsyncIterator()) }

    struct Bodies: AsyncSequence, AsyncIteratorProtocol {
        typealias Element = ByteBuffer
        typealias Failure = GatewayError

        fileprivate var parts: AsyncStream<Part>.Iterator

        func makeAsyncIterator() -> Self { self }

        mutating func next() async throws(GatewayError) -> ByteBuffer? {
            try await next(isolation: nil)
        }

        /// - Throws: `.refused` for any status but 200, with the body's message; `.cancelled` when the task is.
        mutating func next(isolation actor: isolated (any Actor)?) async throws(GatewayError) -> ByteBuffer? {
            while true {
                switch await parts.next(isolation: actor) {
                case .head(200, _): continue
                case .head(let status, let retryAfter): throw await refusal(status, retryAfter, isolation: actor)
                case .body(let bytes): return bytes
                case .ended(nil): return nil
                case .ended(let error?): throw error
                case nil: throw .cancelled
                }
            }
        }

        private mutating func refusal(
            _ status: Int,
            _ retryAfter: Int?,
            isolation actor: isolated (any Actor)?
        ) async -> GatewayError {
            var body = ByteBuffer()
            while case .body(let bytes)? = await parts.next(isolation: actor) { body.writeImmutableBuffer(bytes) }
            return .refused(status: status, retryAfter: retryAfter, message: ErrorBody.message(body))
        }
    }
}

/// The sentence in the error bodies of Gemini, Pinecone and RFC 9457.
enum ErrorBody {
    static func message(_ body: ByteBuffer) -> String? {
        // What cannot be read has no message.
        guard let body = try? JSON.decode(Body.self, from: body) else { return nil }
        return body.error?.message ?? body.message ?? body.detail
    }

    private struct Body: Decodable {
        let error: Inner?
        let message: String?
        let detail: String?

        struct Inner: Decodable { let message: String? }
    }
}

/// Puts one transfer's calls into a stream. Lives on the client's loop.
final class AnswerReceiver: TransferReceiver {
    var transfer: Transfer?
    private let continuation: AsyncStream<GatewayAnswer.Part>.Continuation
    private let maxBytes: Int
    private let maxErrorBytes: Int
    private var bytesLeft: Int

    init(_ continuation: AsyncStream<GatewayAnswer.Part>.Continuation, maxBytes: Int, maxErrorBytes: Int) {
        self.continuation = continuation
        self.maxBytes = maxBytes
        self.maxErrorBytes = maxErrorBytes
        bytesLeft = maxBytes
    }

    func transferMayStart() -> Bool { true }

    func transferHead(status: Int, fields: ByteBuffer) {
        bytesLeft = status == 200 ? maxBytes : maxErrorBytes
        continuation.yield(.head(status: status, retryAfter: Self.retryAfter(fields)))
    }

    func transferBody(_ bytes: ByteBuffer) {
        // The reader may be slower than the network: all that is not read yet stays within this bound.
        bytesLeft -= bytes.readableBytes
        guard bytesLeft >= 0 else {
            transfer?.cancel()
            end(.brokenAnswer("larger than \(maxBytes) bytes"))
            return
        }
        continuation.yield(.body(bytes))
    }

    func transferNeedsBody() {}

    func transferEnded(_ result: Result<TransferSummary, TransferError>) {
        switch result {
        case .success: end(nil)
        case .failure(let error): end(GatewayError(error))
        }
    }

    private func end(_ error: GatewayError?) {
        transfer = nil
        continuation.yield(.ended(error))
        continuation.finish()
    }

    /// Whole seconds; the gateway sends no dates.
    private static func retryAfter(_ fields: ByteBuffer) -> Int? {
        for line in String(buffer: fields).split(separator: "\r\n") where line.lowercased().hasPrefix("retry-after:") {
            return Int(line.dropFirst(12).trimmingPrefix { $0 == " " || $0 == "\t" })
        }
        return nil
    }
}

extension GatewayError {
    fileprivate init(_ error: TransferError) {
        switch error {
        case .timedOut(.connect, _): self = .unreachable("no connection in time")
        case .timedOut: self = .timedOut
        case .cancelled: self = .cancelled
        case .truncated, .malformedAnswer: self = .brokenAnswer("\(error)")
        default: self = .unreachable("\(error)")
        }
    }
}
