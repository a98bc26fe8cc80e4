/// Goes through all waiters page by page, in the order of the script's set: for what is seldom asked, by owner.
extension QueueState {
    /// Takes out the waiters that `goes` names by their owner.
    ///
    /// - Parameters:
    ///   - from: where the last page ended; nil: at the beginning.
    ///   - budget: how many may go.
    /// - Returns: how many went, and where to go on; nil at the end.
    mutating func scan(from: [UInt8]?, budget: Int, _ goes: (String) -> Bool) -> (count: Int, next: [UInt8]?) {
        var members: [(bytes: [UInt8], ticket: QueueTicket)] = []
        for record in replicas.values {
            for ticket in record.tickets.prefix(.max) {
                let isFront = laneIndex(ticket.lane).map { lanes[$0].front.contains(ticket) } ?? false
                let bytes = TicketCoding.encode(ticket, front: isFront)
                if from.map({ $0.lexicographicallyPrecedes(bytes) }) ?? true { members.append((bytes, ticket)) }
            }
        }
        members.sort { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        var count = 0
        var last = from
        for member in members.prefix(Pace.scanLength) {
            if count == budget { return (count, last) }
            last = member.bytes
            guard goes(member.ticket.owner) else { continue }
            part(member.ticket)
            count += 1
        }
        return (count, members.count >= Pace.scanLength ? last : nil)
    }
}
