internal import NIOCore

/// One node of a cluster as a client sees it: a link, and who waits for its first connection.
final class ClusterNode {
    let place: RedisPlace
    var link: RedisLink?
    var session: RedisSession?
    var info: RedisServerInfo?
    /// Nothing is known of it yet: whoever was sent on to it waits until its first dial has succeeded or failed.
    private(set) var isNew = true
    private var waiting: [ClusterCommand] = []
    /// Since when it is no master; `nil`: it is one.
    var leftAt: NIODeadline?

    init(place: RedisPlace) { self.place = place }

    func park(_ command: ClusterCommand) { waiting.append(command) }

    /// The first dial is over.
    /// - Returns: who waited.
    func settle() -> [ClusterCommand] {
        isNew = false
        defer { waiting = [] }
        return waiting
    }

    /// - Returns: who waited longer than they have time.
    func expire(now: NIODeadline) -> [ClusterCommand] {
        let late = waiting.filter { $0.deadline <= now }
        waiting.removeAll { $0.deadline <= now }
        return late
    }
}
