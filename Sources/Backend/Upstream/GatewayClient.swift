internal import CurlClient
package import NIOCore

/// One call to Gemini or Pinecone, through the gateway.
struct GatewayCall: Sendable {
    /// Which field carries the key: what that service's own clients send.
    enum KeyField: String, Sendable { case gemini = "x-goog-api-key", pinecone = "api-key" }

    let path: String
    let keyField: KeyField
    let body: ByteBuffer
    /// On whose behalf: the gateway shares the quota fairly between users.
    let caller: CallerContext
    /// The call changes nothing and may be sent again on a fresh connection.
    let isRepeatable: Bool
}

/// What a request's calls have in common.
package struct CallerContext: Sendable {
    package let user: String
    /// RFC 9218, as the caller sent it.
    package var priority: String?
    package let deadline: ContinuousClock.Instant

    package init(user: String, priority: String? = nil, deadline: ContinuousClock.Instant) {
        self.user = user
        self.priority = priority
        self.deadline = deadline
    }
}

/// The backend's one way out, by libcurl on one event loop.
package final class GatewayClient: Sendable {
    /// What one answer may hold.
    private static let maxAnswerBytes = 16 << 20
    private static let maxErrorBytes = 64 << 10

    private let url: String
    private let key: String
    private let watcher: CurlWatcher
    private let client: NIOLoopBound<CurlClient>
    private let eventLoop: any EventLoop

    /// - Parameter url: of the gateway, with or without a path; a slash at its end is dropped.
    /// - Throws: `CurlSetupError`.
    package init(url: String, key: String, eventLoop: any EventLoop) async throws {
        self.url = url.hasSuffix("/") ? String(url.dropLast()) : url
        self.key = key
        self.eventLoop = eventLoop
        let watcher = try CurlWatcher()
        self.watcher = watcher
        client = try await eventLoop.submit {
            NIOLoopBound(try CurlClient(eventLoop: eventLoop, watcher: watcher), eventLoop: eventLoop)
        }.get()
    }

    /// Cancels what runs and closes all connections. For good.
    package func close() async {
        // Fails only when the loop is gone, and everything on it with it.
        try? await eventLoop.submit { [client] in client.value.close() }.get()
        watcher.close()
    }

    /// Makes a call and waits for all of its answer.
    func answer(_ call: GatewayCall) async throws(GatewayError) -> ByteBuffer {
        var body = ByteBuffer()
        for try await bytes in stream(call).bodies() { body.writeImmutableBuffer(bytes) }
        return body
    }

    /// Makes a call whose answer is read as it arrives. No longer reading it cancels the call.
    func stream(_ call: GatewayCall) -> GatewayAnswer {
        let (parts, continuation) = AsyncStream.makeStream(of: GatewayAnswer.Part.self)
        let left = ContinuousClock.now.duration(to: call.caller.deadline)
        guard left > .zero else {
            continuation.yield(.ended(.timedOut))
            continuation.finish()
            return GatewayAnswer(parts: parts)
        }
        let request = TransferRequest(
            method: "POST",
            url: url + call.path,
            fields: fields(of: call, left: left),
            body: .bytes(call.body),
            // The gateway keeps the deadline; these are for a gateway that hangs.
            timeouts: TransferTimeouts(
                connect: .seconds(5),
                firstByte: left + .seconds(5),
                idle: min(left, .seconds(300))
            ),
            repeatsOnDeadConnection: call.isRepeatable
        )
        eventLoop.execute { [client, eventLoop] in
            let receiver = AnswerReceiver(
                continuation,
                maxBytes: Self.maxAnswerBytes,
                maxErrorBytes: Self.maxErrorBytes
            )
            let transfer = client.value.start(request, receiver: receiver)
            receiver.transfer = transfer
            let bound = NIOLoopBound(transfer, eventLoop: eventLoop)
            continuation.onTermination = { reason in
                guard case .cancelled = reason else { return }
                eventLoop.execute { bound.value.cancel() }
            }
        }
        return GatewayAnswer(parts: parts)
    }

    private func fields(of call: GatewayCall, left: Duration) -> ByteBuffer {
        var fields = ByteBuffer()
        fields.writeString("Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n")
        fields.writeString("User-Agent: sluice-backend\r\n")
        fields.writeString("\(call.keyField.rawValue): \(key)\r\n")
        if call.keyField == .pinecone { fields.writeString("X-Pinecone-Api-Version: 2025-04\r\n") }
        fields.writeString("x-user-id: \(Self.fieldValue(call.caller.user))\r\n")
        // At least 1: rounding down to 0 would mean "no time at all".
        fields.writeString("X-Server-Timeout: \(max(1, left.components.seconds))\r\n")
        if let priority = call.caller.priority { fields.writeString("Priority: \(Self.fieldValue(priority))\r\n") }
        return fields
    }

    /// What came in a field can go out in one; only a line's end would be harmful.
    private static func fieldValue(_ text: String) -> String {
        String(decoding: text.utf8.filter { $0 >= 32 && $0 != 127 }, as: UTF8.self)
    }
}
