internal import FoundationEssentials
internal import HTTPTypes
package import Hummingbird
internal import NIOCore

/// Takes a request through arrival, key, quota, fault and latency to its answer.
package struct SimulatorResponder: HTTPResponder {
    package typealias Context = SimulatorContext

    private let simulation: Simulation

    package init(_ simulation: Simulation) {
        self.simulation = simulation
    }

    package func respond(to request: Request, context: SimulatorContext) async throws -> Response {
        let connection = simulation.connections[context.channel] ?? Connection()
        let instant = connection.takeArrival() ?? simulation.now()
        let query = QueryItems(request.uri.query ?? "")
        let endpoint = Endpoint(
            method: request.method.rawValue,
            path: request.uri.path,
            query: query,
            pineconePrefix: simulation.options.pineconePrefix
        )
        if case .control(let call) = endpoint {
            let body = try await request.body.collect(upTo: 1 << 20)
            return Response(ControlService(simulation: simulation).answer(call, query: query, body: body))
        }
        let settings = simulation.settings
        let credentials = Credentials(request.headers, query: query, endpoint: endpoint)
        let id = simulation.log.note(arrival(of: request, at: instant, endpoint, credentials, settings))
        let call = Call(
            id: id,
            instant: instant,
            settings: settings,
            connection: connection,
            channel: context.channel,
            simulation: simulation
        )
        do {
            if let refusal = refusal(of: endpoint, credentials, settings) { return call.finish(refusal) }
            let body: ByteBuffer
            do {
                body = try await request.body.collect(upTo: Self.maximumBody)
            } catch is NIOTooManyBytesError {
                return call.finish(tooLarge(endpoint))
            }
            simulation.log.amend(id) { $0.bytes = body.readableBytes }
            switch plan(endpoint, query: query, request: request, body: body, settings: settings) {
            case .answer(let reply): return call.finish(reply)
            case .work(let work): return try await call.perform(work)
            }
        } catch {
            call.abandon(.cancelled)
            throw error
        }
    }

    /// Gemini's own limit on an inline request.
    private static let maximumBody = 20 << 20

    private func arrival(
        of request: Request,
        at instant: Duration,
        _ endpoint: Endpoint,
        _ credentials: Credentials,
        _ settings: Settings
    ) -> Arrival {
        Arrival(
            at: instant,
            wall: Date().timeIntervalSince1970 - (simulation.now() - instant).inSeconds,
            method: request.method.rawValue,
            path: request.uri.path,
            call: endpoint.callName,
            key: credentials.hash,
            user: HTTPField.Name("x-user-id").flatMap { request.headers[$0] },
            requestID: HTTPField.Name("x-request-id").flatMap { request.headers[$0] },
            fields: settings.logHeaders ? request.head.loggedFields : nil
        )
    }

    private func refusal(of endpoint: Endpoint, _ credentials: Credentials, _ settings: Settings) -> Reply? {
        switch endpoint {
        case .unknown(.gemini): return GeminiError.unknownPath.reply(.native)
        case .unknown(.pinecone): return PineconeError.notFound("Path not found").reply
        default: break
        }
        guard let key = settings.key, credentials.key != key else { return nil }
        switch endpoint {
        case .pinecone(.listIndexes), .pinecone(.describeIndex):
            return PineconeError.unauthorized(controlPlane: true).reply
        case .pinecone: return PineconeError.unauthorized(controlPlane: false).reply
        default:
            let error = credentials.key == nil ? GeminiError.missingKey : GeminiError.invalidKey
            return error.reply(endpoint.errorForm)
        }
    }

    private func tooLarge(_ endpoint: Endpoint) -> Reply {
        switch endpoint {
        case .pinecone: PineconeError.badRequest("Request body is too large").reply
        default: GeminiError.tooLarge.reply(endpoint.errorForm)
        }
    }

    private func plan(
        _ endpoint: Endpoint,
        query: QueryItems,
        request: Request,
        body: ByteBuffer,
        settings: Settings
    ) -> Plan {
        switch endpoint {
        case .gemini(let call): GeminiService(settings: settings).plan(call, body: body)
        case .openAI(let call):
            OpenAIService(settings: settings, now: Int(Date().timeIntervalSince1970)).plan(call, body: body)
        case .pinecone(let call):
            PineconeService(
                index: simulation.index,
                name: simulation.options.indexName,
                host: "http://\(request.head.authority ?? "127.0.0.1")\(simulation.options.pineconePrefix)",
                defaultDimension: settings.dimension
            ).plan(call, query: query, body: body)
        case .control, .unknown: preconditionFailure("answered before the body was read")
        }
    }
}

extension Credentials {
    fileprivate init(_ fields: HTTPFields, query: QueryItems, endpoint: Endpoint) {
        switch endpoint {
        case .pinecone, .unknown(.pinecone): self.init(pinecone: fields)
        default: self.init(gemini: fields, query: query)
        }
    }
}

extension Endpoint {
    fileprivate var callName: String? {
        switch self {
        case .gemini(let call): call.name
        case .openAI(let call): call.name
        case .pinecone(let call): call.name
        case .control, .unknown: nil
        }
    }

    fileprivate var errorForm: GeminiError.Form {
        if case .openAI = self { .openAI } else { .native }
    }
}

extension HTTPRequest {
    /// Field names in lower case; credentials show that they were there, no more.
    fileprivate var loggedFields: [String: String] {
        var logged: [String: String] = [:]
        for field in headerFields {
            let name = field.name.canonicalName
            logged[name] = Credentials.secretFields.contains(name) ? "…" : field.value
        }
        if let authority { logged["host"] = authority }
        return logged
    }
}
