internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// A turn's events as `text/event-stream`.
enum EventStream {
    static func response(_ events: AsyncStream<TurnEvent>) -> Response {
        Response(
            status: .ok,
            headers: fields,
            body: ResponseBody { writer in
                for await event in events {
                    // Throws when the caller has left; the turn goes on.
                    try await writer.write(ByteBuffer(string: frame(event)))
                }
                try await writer.finish(nil)
            }
        )
    }

    /// An answer given before, as the stream that it was or would have been.
    static func replay(_ body: ByteBuffer) throws -> Response {
        let answer = try JSON.decode(TurnAnswer.self, from: body)
        let events: [TurnEvent] = [
            .started(conversation: answer.conversationId), .text(answer.message.content),
            .finished(body: String(buffer: body)),
        ]
        return Response(
            status: .ok,
            headers: fields,
            body: .init(byteBuffer: ByteBuffer(string: events.map(frame).joined()))
        )
    }

    private static var fields: HTTPFields {
        // nginx would otherwise hold the events back.
        [.contentType: "text/event-stream", .cacheControl: "no-store", HTTPField.Name("X-Accel-Buffering")!: "no"]
    }

    private static func frame(_ event: TurnEvent) -> String {
        switch event {
        case .started(let conversation): frame("start", JSON.encode(["conversation_id": conversation]))
        case .text(let text): frame("delta", JSON.encode(["text": text]))
        case .waiting: ": waiting\n\n"
        case .finished(let body): frame("done", ByteBuffer(string: body))
        case .failed(let problem): frame("error", JSON.encode(problem))
        }
    }

    /// JSON has no bare line ends, so one `data` line holds it.
    private static func frame(_ name: String, _ data: ByteBuffer) -> String {
        "event: \(name)\ndata: \(String(buffer: data))\n\n"
    }
}
