internal import Dialects
internal import Foundation
internal import NIOCore
internal import Pacing

/// What `POST /admin/quotas/{name}/pause` and `…/resume` ask for.
struct PauseOrder: Equatable {
    static let prefix = "/admin/quotas/"

    /// A quota's or an upstream's.
    let name: String
    let pauses: Bool

    /// - Returns: `nil`: the path is none of the two.
    init?(path: ByteBufferView) {
        guard path.starts(with: Self.prefix.utf8) else { return nil }
        let parts = path.dropFirst(Self.prefix.utf8.count).split(
            separator: UInt8(ascii: "/"),
            omittingEmptySubsequences: false
        )
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        if parts[1].elementsEqual("pause".utf8) {
            pauses = true
        } else if parts[1].elementsEqual("resume".utf8) {
            pauses = false
        } else {
            return nil
        }
        let text = String(decoding: parts[0], as: UTF8.self)
        name = text.removingPercentEncoding ?? text
    }

    struct Target {
        let upstream: UpstreamPlan
        let queue: QueueHandle
        /// `nil`: all of the upstream.
        let quota: String?
    }

    /// The quota of that name, else the upstream: names of quotas are told apart over all upstreams.
    func target(in plan: Plan) -> Target? {
        for upstream in plan.upstreams {
            guard let queue = upstream.queue, upstream.quotas.quotas.contains(where: { $0.name == name }) else {
                continue
            }
            return Target(upstream: upstream, queue: queue, quota: name)
        }
        for upstream in plan.upstreams where upstream.name == name {
            guard let queue = upstream.queue else { continue }
            return Target(upstream: upstream, queue: queue, quota: nil)
        }
        return nil
    }

    /// The answer's body, as JSON.
    func confirmation(of target: Target) -> ByteBuffer {
        var body = ByteBuffer(staticString: #"{"upstream":"#)
        body.writeJSON(target.upstream.name)
        body.writeStaticString(#","quota":"#)
        if let quota = target.quota { body.writeJSON(quota) } else { body.writeStaticString("null") }
        body.writeString(#","paused":\#(pauses)}"#)
        return body
    }

    /// All names that can be paused, for a 404.
    static func names(in plan: Plan) -> [String] {
        plan.upstreams.filter { $0.queue != nil }.flatMap { $0.quotas.quotas.map(\.name) + [$0.name] }
    }
}
