import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// Stands where the gateway is: answers embeddings, queries and generations as told, and remembers what it was asked.
final class StubGateway: Sendable {
    struct Call: Sendable {
        let path: String
        let fields: HTTPFields
        let body: String
    }

    /// How a kind of call is answered.
    enum Behaviour: Sendable {
        case answer
        case refuse(status: Int, retryAfter: Int?, body: String)
        /// Of a stream: it ends cleanly in mid-answer.
        case stopEarly
        /// Of a stream: signs of life, then the bare error that follows them.
        case errorAfterHeartbeat(String)
        case blocked
    }

    private struct State {
        var calls: [Call] = []
        var behaviours: [String: Behaviour] = [:]
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    /// What the model says, in the pieces in which it streams them.
    static let pieces = ["The answer ", "is ", "„42“. 👍"]
    static let answer = pieces.joined()

    private let state = Mutex(State())
    private let server = Mutex<(task: Task<Void, any Error>, port: Int)?>(nil)

    static func start() async throws -> StubGateway {
        let gateway = StubGateway()
        try await gateway.listen()
        return gateway
    }

    var url: String { "http://127.0.0.1:\(server.withLock { $0?.port ?? 0 })" }

    func stop() async {
        let task = server.withLock { server in
            defer { server = nil }
            return server?.task
        }
        release()
        task?.cancel()
        // Cancelled, that is how it ends.
        _ = try? await task?.value
    }

    /// All calls whose path contains the text.
    func calls(_ text: String = "") -> [Call] {
        state.withLock { $0.calls.filter { $0.path.contains(text) } }
    }

    /// Sets how calls are answered whose path contains the text.
    func set(_ text: String, _ behaviour: Behaviour) {
        state.withLock { $0.behaviours[text] = behaviour }
    }

    /// Generations stop before their last piece, until `release`.
    func hold() {
        state.withLock { $0.isHeld = true }
    }

    func release() {
        let held = state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    var heldCount: Int { state.withLock { $0.held.count } }

    private func listen() async throws {
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let router = Router()
        router.post("**") { request, _ in try await self.respond(to: request) }
        var logger = Logger(label: "stub")
        logger.logLevel = .critical
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in continuation.yield(channel.localAddress?.port ?? 0) },
            logger: logger
        )
        let task = Task { try await application.run() }
        for await port in ports {
            server.withLock { $0 = (task, port) }
            return
        }
    }

    private func respond(to request: Request) async throws -> Response {
        let path = request.head.path ?? ""
        let body = String(buffer: try await request.body.collect(upTo: 16 << 20))
        let behaviour = state.withLock { state in
            state.calls.append(Call(path: path, fields: request.headers, body: body))
            return state.behaviours.first { path.contains($0.key) }?.value ?? .answer
        }
        if case .refuse(let status, let retryAfter, let body) = behaviour {
            var fields: HTTPFields = [.contentType: "application/json"]
            if let retryAfter { fields[.retryAfter] = String(retryAfter) }
            return Response(
                status: .init(code: status),
                headers: fields,
                body: .init(byteBuffer: ByteBuffer(string: body))
            )
        }
        if path.contains(":embedContent") { return json(#"{"embedding":{"values":[0.5,0.25,-1]}}"#) }
        if path.contains("/query") {
            return json(
                #"{"matches":[{"id":"doc#0","score":0.9,"metadata":{"text":"Life: 42.","title":"Guide"}},{"id":"raw","score":0.5}]}"#
            )
        }
        if path.contains("/vectors/") { return json(#"{"upsertedCount":1}"#) }
        if path.contains(":generateContent") {
            await waitWhileHeld()
            if case .blocked = behaviour { return json(#"{"promptFeedback":{"blockReason":"SAFETY"}}"#) }
            return json(Self.piece(Self.answer, finish: "STOP"))
        }
        return stream(behaviour)
    }

    private func stream(_ behaviour: Behaviour) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "text/event-stream"],
            body: ResponseBody { writer in
                if case .errorAfterHeartbeat(let error) = behaviour {
                    for _ in 0..<3 { try await writer.write(ByteBuffer(string: "\r\n\r\n")) }
                    try await writer.write(ByteBuffer(string: error))
                    try await writer.finish(nil)
                    return
                }
                for (index, piece) in Self.pieces.enumerated() {
                    let isLast = index == Self.pieces.count - 1
                    if isLast { await self.waitWhileHeld() }
                    if case .stopEarly = behaviour, isLast { break }
                    let event = "data: \(Self.piece(piece, finish: isLast ? "STOP" : nil))\r\n\r\n"
                    // Cut where it hurts: in the middle of a character, and of a line end.
                    for bytes in Array(event.utf8).chunks(of: 7) { try await writer.write(ByteBuffer(bytes: bytes)) }
                }
                try await writer.finish(nil)
            }
        )
    }

    private func waitWhileHeld() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.isHeld else { return true }
                state.held.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func json(_ text: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(string: text))
        )
    }

    private static func piece(_ text: String, finish: String?) -> String {
        let reason = finish.map { #","finishReason":"\#($0)""# } ?? ""
        return #"{"candidates":[{"content":{"role":"model","parts":[{"text":"\#(text)"}]},"index":0\#(reason)}],"#
            + #""usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":5,"thoughtsTokenCount":2}}"#
    }
}

extension [UInt8] {
    fileprivate func chunks(of size: Int) -> [ArraySlice<UInt8>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
