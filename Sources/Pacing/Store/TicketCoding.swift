/// A ticket as the script stores it, so that it sorts by arrival within its user:
/// `lane(17) \2 client \0 user \0 place8 owner \0 id8 weight4 allowance4 cost8…`, numbers big-endian.
enum TicketCoding {
    private static let laneLength = 17

    static func encode(_ ticket: QueueTicket) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 + ticket.client.utf8.count + ticket.user.utf8.count + ticket.owner.utf8.count)
        append(ticket.lane, to: &bytes)
        bytes.append(2)
        bytes.append(contentsOf: ticket.client.utf8)
        bytes.append(0)
        bytes.append(contentsOf: ticket.user.utf8)
        bytes.append(0)
        append(ticket.place, count: 8, to: &bytes)
        bytes.append(contentsOf: ticket.owner.utf8)
        bytes.append(0)
        append(ticket.id, count: 8, to: &bytes)
        append(ticket.weight, count: 4, to: &bytes)
        append(ticket.allowance, count: 4, to: &bytes)
        for cost in ticket.costs { append(cost, count: 8, to: &bytes) }
        return bytes
    }

    /// 16 hexadecimal digits and the urgency's.
    static func encode(_ lane: LaneKey) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(laneLength)
        append(lane, to: &bytes)
        return bytes
    }

    /// - Returns: nil where these are no ticket's bytes.
    static func decode(_ bytes: ArraySlice<UInt8>) -> QueueTicket? {
        var rest = bytes
        guard rest.count > laneLength, let lane = lane(rest.prefix(laneLength)) else { return nil }
        rest = rest.dropFirst(laneLength)
        guard rest.first == 2 else { return nil }
        rest = rest.dropFirst()
        guard let client = text(&rest), let user = text(&rest), let place = number(&rest, count: 8),
            let owner = text(&rest), let id = number(&rest, count: 8), let weight = number(&rest, count: 4),
            let allowance = number(&rest, count: 4), rest.count % 8 == 0
        else { return nil }
        var costs: [Int] = []
        while let cost = number(&rest, count: 8) { costs.append(cost) }
        return QueueTicket(
            lane: lane,
            client: client,
            user: user,
            place: place,
            owner: owner,
            id: id,
            weight: weight,
            allowance: allowance,
            costs: costs
        )
    }

    private static func append(_ lane: LaneKey, to bytes: inout [UInt8]) {
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: lane.buckets >> UInt64(shift)) & 15
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
        bytes.append(UInt8(ascii: "0") + UInt8(lane.urgency))
    }

    private static func append(_ value: Int, count: Int, to bytes: inout [UInt8]) {
        for position in stride(from: (count - 1) * 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> position))
        }
    }

    private static func lane(_ digits: ArraySlice<UInt8>) -> LaneKey? {
        guard let text = String(validating: digits, as: UTF8.self),
            let buckets = UInt64(text.prefix(16), radix: 16), let urgency = Int(text.suffix(1))
        else { return nil }
        return LaneKey(buckets: buckets, urgency: urgency)
    }

    private static func text(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard let end = rest.firstIndex(of: 0) else { return nil }
        let text = String(validating: rest[..<end], as: UTF8.self)
        rest = rest[(end + 1)...]
        return text
    }

    private static func number(_ rest: inout ArraySlice<UInt8>, count: Int) -> Int? {
        guard rest.count >= count else { return nil }
        let value = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        rest = rest.dropFirst(count)
        return value
    }
}
