/// A ticket as the script stores it, so that it sorts by arrival within its user, or within its lane's front:
/// `lane(12) \2 client \0 user \0 place7 owner \0 id5 weight3 allowance3 cost5…` or
/// `lane(12) \1 place7 owner \0 id5 client \0 user \0 weight3 allowance3 cost5…`, numbers big-endian: some 50 bytes,
/// as 100,000 of them lie in Redis.
enum TicketCoding {
    private static let laneLength = 12
    /// 64 characters in the order of their bytes, so that lanes sort by their hash.
    private static let digits = Array("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz".utf8)
    private static let largestCost = 1 << 40 - 1

    static func encode(_ ticket: QueueTicket, front: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 + ticket.client.utf8.count + ticket.user.utf8.count + ticket.owner.utf8.count)
        append(ticket.lane, to: &bytes)
        bytes.append(front ? 1 : 2)
        if front { appendArrival(of: ticket, to: &bytes) }
        bytes.append(contentsOf: ticket.client.utf8)
        bytes.append(0)
        bytes.append(contentsOf: ticket.user.utf8)
        bytes.append(0)
        if !front { appendArrival(of: ticket, to: &bytes) }
        append(ticket.weight, count: 3, to: &bytes)
        append(ticket.allowance, count: 3, to: &bytes)
        for cost in ticket.costs { append(min(cost, largestCost), count: 5, to: &bytes) }
        return bytes
    }

    private static func appendArrival(of ticket: QueueTicket, to bytes: inout [UInt8]) {
        append(ticket.place, count: 7, to: &bytes)
        bytes.append(contentsOf: ticket.owner.utf8)
        bytes.append(0)
        append(ticket.id, count: 5, to: &bytes)
    }

    /// Eleven digits of six bits and the urgency's.
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
        guard let client = text(&rest), let user = text(&rest), let place = number(&rest, count: 7),
            let owner = text(&rest), let id = number(&rest, count: 5), let weight = number(&rest, count: 3),
            let allowance = number(&rest, count: 3), rest.count % 5 == 0
        else { return nil }
        var costs: [Int] = []
        while let cost = number(&rest, count: 5) { costs.append(cost) }
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
        for shift in stride(from: 60, through: 0, by: -6) {
            bytes.append(digits[Int(lane.buckets >> UInt64(shift) & 63)])
        }
        bytes.append(UInt8(ascii: "0") + UInt8(lane.urgency))
    }

    private static func append(_ value: Int, count: Int, to bytes: inout [UInt8]) {
        for position in stride(from: (count - 1) * 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> position))
        }
    }

    private static func lane(_ text: ArraySlice<UInt8>) -> LaneKey? {
        var buckets: UInt64 = 0
        for byte in text.dropLast() {
            guard let digit = digits.firstIndex(of: byte) else { return nil }
            buckets = buckets << 6 | UInt64(digit)
        }
        guard let last = text.last, case UInt8(ascii: "0")...UInt8(ascii: "7") = last else { return nil }
        return LaneKey(buckets: buckets, urgency: Int(last - UInt8(ascii: "0")))
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
