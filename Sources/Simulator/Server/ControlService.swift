internal import NIOCore

/// The simulator's own endpoints, by which tests steer it and look at what arrived.
struct ControlService {
    let simulation: Simulation

    func answer(_ call: ControlCall, query: QueryItems, body: ByteBuffer) -> Reply {
        switch call {
        case .readConfig: return .json(simulation.settings.members)
        case .changeConfig: return changeConfig(body)
        case .readLog:
            let since = query.first("since").map { Int64($0) } ?? .min
            guard let since else { return refused("since: expected microseconds of the monotonic clock") }
            return .json(simulation.log.report(since: since, now: simulation.now()))
        case .clearLog:
            simulation.log.clear()
            return Reply(status: 204, contentType: "application/json", body: .whole(ByteBuffer()))
        case .readStats:
            return .json(["buckets": simulation.quotas.usage(at: simulation.now())])
        case .clearStats:
            simulation.quotas.reset()
            return Reply(status: 204, contentType: "application/json", body: .whole(ByteBuffer()))
        case .health: return .json(["status": "ok"])
        }
    }

    private func changeConfig(_ body: ByteBuffer) -> Reply {
        do throws(BodyError) {
            let members = try decodedJSON([String: JSONValue].self, from: body)
            do throws(SettingsError) {
                try simulation.change(members)
            } catch {
                return refused(error.description)
            }
        } catch {
            return refused(error.reason)
        }
        return .json(simulation.settings.members)
    }

    private func refused(_ detail: String) -> Reply {
        .json(
            ["title": "Bad Request", "detail": detail],
            status: 400,
            contentType: "application/problem+json"
        )
    }
}
