/// Who calls: the tenant, its standing in a queue, and what tells its users apart.
package struct CallerFacts {
    /// Index into the configuration's clients; `nil`: anonymous.
    package var client: Int?
    /// The client's name; `anonymous` where there is none.
    package var name: String
    package var weight: Int
    /// RFC 9218, 0 highest … 7 lowest; never above what the client may.
    package var urgency: Int
    /// The address that the call came from, believed hop by hop; IPv6 as its /64.
    package var address: String
    /// The address in full, for X-Forwarded-For.
    package var fullAddress: String
    /// The other end of the connection; empty for a Unix socket.
    package var peerAddress: String
    /// A user that a trusted client named, or whom the signed cookie names.
    package var user: String?
    /// The user is believed for fairness and limits (`may_name_users`).
    package var userIsNamed: Bool

    package static let anonymousName = "anonymous"

    package var queueClient: String { client == nil ? "" : name }

    /// What tells callers of one client apart in a queue. Anonymous callers are always told apart by address.
    package func fairnessKey(_ fairBy: Configuration.Queue.FairBy) -> String {
        if client == nil { return address }
        switch fairBy {
        case .none: return ""
        case .ip: return address
        case .user: return userIsNamed ? user ?? address : address
        }
    }
}
