internal import NIOCore
package import RedisClient

/// The queue's script: how calls are put to it and its answers read. Its head names the arguments.
package enum QueueScript {
    package static let script = RedisScript(
        name: "queue",
        source: PackageResources.queue1_records_lua + PackageResources.queue2_bucket_lua
            + PackageResources.queue2_pacing_lua + PackageResources.queue3_globals_lua
            + PackageResources.queue4_flows_lua
            + PackageResources.queue5_lanes_lua + PackageResources.queue5_models_lua
            + PackageResources.queue6_decision_lua
            + PackageResources.queue7_estimate_lua + PackageResources.queue8_operations_lua
            + PackageResources.queue9_life_lua
    )

    /// All of an upstream: one hash tag, so one shard of a cluster holds them.
    package static func keys(prefix: String, upstream: String) -> [String] {
        let tag = tag(prefix: prefix, upstream: upstream)
        return ["G", "B", "S", "L", "F", "O", "X", "x", "T", "R"].map { "\(tag):\($0)" }
    }

    /// What the channels of pushes begin with; a replica's id follows, nothing for all.
    package static func channel(prefix: String, upstream: String) -> String {
        "\(tag(prefix: prefix, upstream: upstream)):p:"
    }

    private static func tag(prefix: String, upstream: String) -> String { "\(prefix):{q4:\(upstream)}" }

    /// - Parameter isSharded: on a cluster: pushes stay in the shard of the keys, whose tag their channels have.
    /// - Parameter now: nil: the server's own clock.
    package static func arguments(
        _ call: QueueCall,
        channel: String,
        isSharded: Bool = false,
        now: Micros?
    ) -> [RedisArgument] {
        var arguments: [RedisArgument] = [
            now.map { .integer($0) } ?? "",
            .text(call.replica),
            .integer(call.number),
            .text(call.run),
            .integer(call.seen),
            .integer(call.peers),
            .integer(call.maxWaiting),
            .text(channel),
            isSharded ? "SPUBLISH" : "PUBLISH",
            .integer(call.lanes.count),
        ]
        for lane in call.lanes {
            arguments.append(.bytes(TicketCoding.encode(lane.key)))
            arguments.append(.integer(lane.buckets.count))
            for bucket in lane.buckets { append(bucket, to: &arguments) }
            arguments.append(.integer(lane.shared?.count ?? 0))
            guard let shared = lane.shared else { continue }
            for name in shared { arguments.append(.text(name)) }
            arguments.append(.bytes(TicketCoding.encode(LaneKey(names: shared, urgency: lane.key.urgency))))
        }
        for operation in call.operations { append(operation, to: &arguments) }
        return arguments
    }

    private static func append(_ figures: BucketFigures, to arguments: inout [RedisArgument]) {
        arguments.append(.text(figures.name))
        arguments.append(.integer(figures.limit))
        arguments.append(.integer(figures.per))
        arguments.append(.integer(figures.guardInterval))
        arguments.append(.integer(figures.burst))
        arguments.append(.integer(figures.reset))
    }

    private static func append(_ operation: QueueOperation, to arguments: inout [RedisArgument]) {
        func ticket(_ ticket: QueueTicket) -> RedisArgument { .bytes(TicketCoding.encode(ticket)) }
        func stamp(_ stamp: GrantStamp) -> [RedisArgument] {
            [.integer(stamp.time), .integer(stamp.epoch), .integer(stamp.booked.count)]
                + stamp.booked.map { .integer($0) }
        }
        func flag(_ value: Bool) -> RedisArgument { value ? "1" : "0" }
        func requeued(_ requeue: Bool, _ own: LaneKey?) -> RedisArgument {
            guard requeue, let own else { return flag(requeue) }
            return .bytes(TicketCoding.encode(own))
        }
        switch operation {
        case .enter(let entering, let patience):
            arguments += ["e", ticket(entering), .integer(patience ?? -1)]
        case .leave(let leaving):
            arguments += ["l", ticket(leaving)]
        case .back(let granted, let given, let requeue, let own):
            arguments += ["b", ticket(granted)] + stamp(given) + [requeued(requeue, own)]
        case .refused(let granted, let given, let buckets, let hold, let learned, let requeue, let own):
            arguments += [
                "r", ticket(granted), .integer(given.time), .integer(hold ?? -1), .integer(max(0, learned ?? 0)),
                requeued(requeue, own), .integer(buckets.count),
            ]
            for bucket in buckets { arguments.append(.text(bucket)) }
        case .settle(let granted, let given, let costs):
            arguments += ["s", ticket(granted)] + stamp(given) + [.integer(costs.count)]
            for cost in costs { arguments.append(.integer(cost)) }
        case .estimate(let waiting):
            arguments += ["w", ticket(waiting)]
        case .beat:
            arguments.append("t")
        case .jump(let epoch):
            arguments += ["j", .integer(epoch)]
        case .reset:
            arguments.append("x")
        case .bye:
            arguments.append("q")
        case .pause(let quota, let paused):
            arguments += ["p", .text(quota), flag(paused)]
        case .state(let figures):
            arguments.append("f")
            append(figures, to: &arguments)
        case .used(let figures, let uses):
            arguments.append("u")
            append(figures, to: &arguments)
            append(uses, to: &arguments)
        case .pauses(let pauses):
            arguments += ["z", .integer(pauses.count)]
            for pause in pauses { arguments += [.text(pause.quota), flag(pause.paused), .integer(pause.at)] }
        case .report(let reports, let peers, let full):
            arguments +=
                ["y", .integer(full), .integer(peers.count)] + peers.map { .text($0) } + [.integer(reports.count)]
            for report in reports {
                append(report.figures, to: &arguments)
                let told = [report.told, report.since, report.learned, report.hold]
                arguments += told.map { .integer($0) }
                append(report.sent, to: &arguments)
            }
        }
    }

    private static func append(_ uses: [BucketUse], to arguments: inout [RedisArgument]) {
        arguments.append(.integer(uses.count))
        for use in uses {
            arguments.append(.integer(use.at))
            arguments.append(.integer(use.units))
        }
    }
}
