import Foundation
import Gateway
import HTTPWire
import Logging
import NIOCore
import NIOPosix
import TestSupport

/// A whole gateway on one loop, from the head of a request on, with real sockets towards its upstreams only.
final class PipelineFixture: Sendable {
    let group: MultiThreadedEventLoopGroup
    private let assembly: Assembly

    /// Runs a test's body with an upstream and a gateway in front of it, and stops both however it ends.
    /// - Parameter configuration: gateway.conf, with `${UPSTREAM}` for the upstream's address.
    static func with(
        _ configuration: String,
        upstream script: @escaping @Sendable (UpstreamRequest) -> Void = { $0.reply() },
        _ body: (PipelineFixture, UpstreamStub) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let upstreams = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let stub = try await UpstreamStub.start(on: upstreams, script)
        let fixture = try await PipelineFixture(
            configuration.replacingOccurrences(of: "${UPSTREAM}", with: stub.url),
            group: group
        )
        let result: Result<Void, any Error>
        do {
            try await body(fixture, stub)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await fixture.assembly.close()
        try await stub.stop()
        try await group.shutdownGracefully()
        try await upstreams.shutdownGracefully()
        try result.get()
    }

    /// Of a quota that has one slot an hour the slot is taken, and one call waits for the next.
    /// - Parameter waiting: the body of the call that waits. One more would wait for longer than it may.
    static func withWaitingCall(
        _ waiting: String = "{}",
        _ body: (PipelineFixture, UpstreamStub, SentCall) async throws -> Void
    ) async throws {
        let configuration = GatewayText.gemini(queue: "max_wait = \"90m\"", quota: "requests = 1\nper = \"1h\"")
        try await with(configuration) { gateway, upstream in
            _ = try await gateway.post(GatewayText.generate, "{}").answer()
            let call = try await gateway.post(GatewayText.generate, waiting)
            try await eventually("it waits") { try await gateway.waiting() == 1 }
            try await body(gateway, upstream, call)
        }
    }

    init(_ text: String, group: MultiThreadedEventLoopGroup) async throws {
        self.group = group
        assembly = try await Assembly.make(
            configuration: try ConfigurationReader(text: text, environment: [:]).read(),
            group: group,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    /// Sends a request: its head as on the wire, then its body in the parts given.
    /// - Parameter takesBytes: `false`: the client reads nothing of the answer until it is told to.
    func send(
        _ head: String,
        body: [String] = [],
        from peer: String = "127.0.0.1",
        takesBytes: Bool = true,
        isAdmin: Bool = false
    ) async throws -> SentCall {
        let pipeline = assembly.pipelines[0]
        let sight = RecordedReply.Sight()
        return try await pipeline.eventLoop.submit {
            var bytes = ByteBuffer(string: head + "\r\n\r\n")
            var parser = RequestParser(limits: WireLimits())
            guard let parsed = try parser.nextHead(&bytes) else { throw IncompleteHead(text: head) }
            let reply = RecordedReply(body: body.map { ByteBuffer(string: $0) }, sight: sight)
            reply.isWritable = takesBytes
            let receiver = pipeline.value.accept(
                parsed,
                reply: reply,
                connection: Connection(peer: peer, isAdmin: isAdmin)
            )
            reply.receiver = receiver
            reply.feed()
            return SentCall(
                parts: NIOLoopBoundBox(.init(reply: reply, receiver: receiver), eventLoop: pipeline.eventLoop),
                sight: sight,
                loop: pipeline.eventLoop
            )
        }.get()
    }

    /// A POST of a JSON body.
    func post(_ path: String, _ body: String, fields: [String] = []) async throws -> SentCall {
        let lines = ["POST \(path) HTTP/1.1", "Host: gateway", "Content-Length: \(body.utf8.count)"] + fields
        return try await send(lines.joined(separator: "\r\n"), body: [body])
    }

    func get(_ path: String, fields: [String] = [], takesBytes: Bool = true) async throws -> SentCall {
        let lines = ["GET \(path) HTTP/1.1", "Host: gateway"] + fields
        return try await send(lines.joined(separator: "\r\n"), takesBytes: takesBytes)
    }

    /// `/admin/stats`, by a token "token".
    func stats() async throws -> [String: Any] {
        let call = try await get("/admin/stats", fields: ["Authorization: Bearer token"])
        let text = try await call.answer().body
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    }

    /// How many calls wait for a slot.
    func waiting() async throws -> Int {
        let quotas = try await stats()["quotas"] as? [[String: Any]] ?? []
        return quotas.compactMap { $0["waiting"] as? Int }.reduce(0, +)
    }

    /// Seconds that the first of them has waited for.
    func oldestWait() async throws -> Double {
        let quotas = try await stats()["quotas"] as? [[String: Any]] ?? []
        return quotas.compactMap { $0["oldest_wait"] as? Double }.max() ?? 0
    }

    func metrics() async throws -> String {
        try await get("/metrics", fields: ["Authorization: Bearer token"]).answer().body
    }

    /// The samples of `/metrics`, by name and labels as they stand there.
    func samples() async throws -> [String: Double] {
        var samples: [String: Double] = [:]
        for line in try await metrics().split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " ") else { continue }
            samples[String(line[..<space])] = Double(line[line.index(after: space)...])
        }
        return samples
    }
}

struct IncompleteHead: Error { let text: String }
