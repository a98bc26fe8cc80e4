internal import Glibc
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// One request on its way from its arrival to the end of its answer.
struct Call: Sendable {
    let id: Int
    let instant: Duration
    let settings: Settings
    let connection: Connection
    let channel: any Channel
    let simulation: Simulation

    /// Charges the quotas, then lets happen what the dice say.
    func perform(_ work: Work) async throws -> Response {
        if let demand = work.demand {
            simulation.log.amend(id) {
                $0.model = demand.model
                $0.tokens = demand.tokens
            }
            let violations = simulation.quotas.charge(demand, at: instant, rules: settings.quotas)
            guard violations.isEmpty else { return finish(work.refusal(violations)) }
        }
        let fate = simulation.dice.roll(settings)
        try await connection.pause(for: fate.latency)
        switch fate.fault {
        case .reset: return try await reset()
        case .fail(let status): return finish(work.failure(status))
        case .cut: return cut(work.answer())
        case nil: return finish(work.answer())
        }
    }

    /// Answers to the end.
    func finish(_ reply: Reply) -> Response {
        simulation.log.amend(id) { $0.status = reply.status }
        guard case .pieces(let pieces) = reply.body else {
            end(.complete)
            return Response(reply)
        }
        return Response(
            status: .init(code: reply.status),
            headers: reply.fields,
            body: ResponseBody { writer in
                try await write(pieces, to: &writer)
                try await writer.finish(nil)
                end(.complete)
            }
        )
    }

    /// Notes that the answer will not be completed.
    func abandon(_ outcome: Arrival.Outcome) {
        end(outcome)
    }

    /// Sends the first half of an answer and closes the connection.
    private func cut(_ reply: Reply) -> Response {
        simulation.log.amend(id) { $0.status = reply.status }
        let length: Int?
        let pieces: [ByteBuffer]
        switch reply.body {
        case .whole(let bytes):
            length = bytes.readableBytes
            pieces = [ByteBuffer(bytes.readableBytesView.prefix(bytes.readableBytes / 2))]
        case .pieces(let all):
            length = nil
            pieces = Array(all.prefix((all.count + 1) / 2))
        }
        return Response(
            status: .init(code: reply.status),
            headers: reply.fields,
            body: ResponseBody(contentLength: length) { writer in
                try await write(pieces, to: &writer)
                end(.cut)
                try await channel.close().get()
                throw InjectedFault()
            }
        )
    }

    /// Closes the connection so that the client sees a reset: with a linger time of zero the kernel sends RST.
    private func reset() async throws -> Response {
        if let provider = channel as? any SocketOptionProvider {
            try await provider.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        simulation.log.amend(id) { $0.outcome = .reset }
        try await channel.close().get()
        throw InjectedFault()
    }

    private func write(_ pieces: [ByteBuffer], to writer: inout any ResponseBodyWriter) async throws {
        do {
            for (index, piece) in pieces.enumerated() {
                if index > 0 { try await connection.pause(for: settings.chunkDelay) }
                try await writer.write(piece)
            }
        } catch {
            end(.cancelled)
            throw error
        }
    }

    private func end(_ outcome: Arrival.Outcome) {
        let now = simulation.now()
        simulation.log.amend(id) { arrival in
            arrival.ended = now.wholeMicroseconds
            if arrival.outcome == .open { arrival.outcome = outcome }
        }
    }
}

/// Ends a request's task after its connection was closed on purpose.
private struct InjectedFault: Error {}

extension Reply {
    var fields: HTTPFields {
        var fields: HTTPFields = [.contentType: contentType]
        if let retryAfter { fields[.retryAfter] = String(retryAfter) }
        return fields
    }
}

extension Response {
    /// A whole answer; pieces become one.
    init(_ reply: Reply) {
        let body: ByteBuffer
        switch reply.body {
        case .whole(let bytes): body = bytes
        case .pieces(let pieces):
            body = pieces.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
        }
        self.init(status: .init(code: reply.status), headers: reply.fields, body: ResponseBody(byteBuffer: body))
    }
}
