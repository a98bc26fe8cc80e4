package import NIOCore
package import RedisClient

/// Reads what the script answers and publishes.
extension QueueScript {
    /// - Throws: `.failed` where this is no answer of the script.
    package static func reply(_ reply: RedisReply) throws(QueueStoreError) -> QueueReply {
        guard let parts = reply.array, parts.count == 13, let results = parts[8].array, let grants = parts[9].array,
            let told = parts[10].array, let peers = parts[11].array, let pauses = parts[12].array
        else { throw .failed("no answer of the queue's script") }
        var numbers: [Int] = []
        for part in parts[..<8] { numbers.append(try number(part)) }
        let tickets = try self.tickets(grants)
        var stamps: [GrantStamp] = []
        for (ticket, counts) in zip(tickets, try counts(grants, every: 2)) {
            stamps.append(stamp(ticket, counts, time: numbers[0], epoch: numbers[3]))
        }
        return QueueReply(
            now: numbers[0],
            number: numbers[1],
            seq: numbers[2],
            epoch: numbers[3],
            results: try self.results(results),
            mine: numbers[4],
            waiting: numbers[5],
            due: numbers[6] < 0 ? nil : numbers[6],
            rollCall: numbers[7] < 0 ? nil : numbers[7],
            grants: tickets,
            stamps: stamps,
            entered: try counts(results, every: 4),
            pauses: try self.pauses(pauses),
            buckets: try buckets(told),
            peers: try self.peers(peers)
        )
    }

    /// - Returns: nil where these are no bytes of a push.
    package static func push(_ message: ByteBuffer) -> QueuePush? {
        var message = message
        switch message.readInteger(as: UInt8.self) {
        case UInt8(ascii: "r"): return .rollCall
        case UInt8(ascii: "d"):
            guard let due = message.readInteger(as: Int.self) else { return nil }
            // An older script does not say when.
            return .relieved(due: due, at: message.readInteger(as: Int.self) ?? Pace.never)
        case UInt8(ascii: "g"):
            guard let time = message.readInteger(as: Int.self), let epoch = message.readInteger(as: Int.self),
                let seq = message.readInteger(as: Int.self), let counts = counts(&message),
                let ticket = TicketCoding.decode(ArraySlice(message.readableBytesView))
            else { return nil }
            return .grant(ticket, stamp(ticket, counts, time: time, epoch: epoch), seq: seq)
        default: return nil
        }
    }

    /// - Parameter counts: by bucket how many had gone before it, and behind these what was booked where that is less than
    ///   it asked for.
    private static func stamp(_ ticket: QueueTicket, _ counts: [Int], time: Micros, epoch: Micros) -> GrantStamp {
        let buckets = ticket.costs.count
        return GrantStamp(
            time: time,
            epoch: epoch,
            gone: Array(counts.prefix(buckets)),
            booked: Array(counts.dropFirst(buckets))
        )
    }

    private static func number(_ reply: RedisReply) throws(QueueStoreError) -> Int {
        guard let number = reply.integer else { throw .failed("no number in the script's answer") }
        return number
    }

    private static func results(_ flat: [RedisReply]) throws(QueueStoreError) -> [QueueResult] {
        guard flat.count % 4 == 0 else { throw .failed("odd results in the script's answer") }
        var results: [QueueResult] = []
        for index in stride(from: 0, to: flat.count, by: 4) {
            let wait = try number(flat[index + 1])
            switch try number(flat[index]) {
            case 1: results.append(.waiting(wait, ahead: try number(flat[index + 2])))
            case 2: results.append(.tooLong(wait))
            case 3: results.append(.full(wait))
            case 4: results.append(.waitingShared(wait, ahead: try number(flat[index + 2])))
            case 5: results.append(.resetting)
            default: results.append(.none)
            }
        }
        return results
    }

    private static func tickets(_ flat: [RedisReply]) throws(QueueStoreError) -> [QueueTicket] {
        var tickets: [QueueTicket] = []
        for index in stride(from: 0, to: flat.count, by: 2) {
            guard let bytes = flat[index].bytes, let ticket = TicketCoding.decode(ArraySlice(bytes.readableBytesView))
            else { throw .failed("no ticket in the script's answer") }
            tickets.append(ticket)
        }
        return tickets
    }

    /// The last of each run of so many: a list of numbers.
    private static func counts(_ flat: [RedisReply], every length: Int) throws(QueueStoreError) -> [[Int]] {
        var counts: [[Int]] = []
        for index in stride(from: length - 1, to: flat.count, by: length) {
            guard let parts = flat[index].array else { throw .failed("no numbers in the script's answer") }
            var numbers: [Int] = []
            for part in parts { numbers.append(try number(part)) }
            counts.append(numbers)
        }
        return counts
    }

    private static func peers(_ parts: [RedisReply]) throws(QueueStoreError) -> QueueReply.Peers? {
        guard parts.count >= 3 else { return nil }
        var known: [String] = []
        for part in parts[3...] {
            guard let id = part.string else { throw .failed("no replica in the script's answer") }
            known.append(id)
        }
        return QueueReply.Peers(
            count: try number(parts[0]),
            rank: try number(parts[1]),
            full: try number(parts[2]),
            known: known
        )
    }

    private static func pauses(_ flat: [RedisReply]) throws(QueueStoreError) -> [QuotaPause] {
        guard flat.count % 3 == 0 else { throw .failed("odd pauses in the script's answer") }
        var pauses: [QuotaPause] = []
        for index in stride(from: 0, to: flat.count, by: 3) {
            guard let quota = flat[index].string else { throw .failed("no quota in the script's answer") }
            let paused = try number(flat[index + 1]) == 1
            pauses.append(QuotaPause(quota: quota, paused: paused, at: try number(flat[index + 2])))
        }
        return pauses
    }

    private static func counts(_ message: inout ByteBuffer) -> [Int]? {
        guard let count = message.readInteger(as: UInt8.self) else { return nil }
        var counts: [Int] = []
        for _ in 0..<count {
            guard let value = message.readInteger(as: Int.self) else { return nil }
            counts.append(value)
        }
        return counts
    }

    private static func buckets(_ flat: [RedisReply]) throws(QueueStoreError) -> [BucketState] {
        var buckets: [BucketState] = []
        var index = 0
        while index + 13 <= flat.count {
            guard let name = flat[index].string else { throw .failed("no bucket in the script's answer") }
            var values: [Int] = []
            for part in flat[(index + 1)..<(index + 13)] { values.append(try number(part)) }
            index += 13
            var booked: [BucketUse] = []
            guard index + 2 * values[11] <= flat.count else { throw .failed("a short answer of the script") }
            for _ in 0..<values[11] {
                booked.append(BucketUse(at: try number(flat[index]), units: try number(flat[index + 1])))
                index += 2
            }
            buckets.append(
                BucketState(
                    name: name,
                    limit: values[0],
                    learned: values[1] > 0 ? values[1] : nil,
                    per: values[2],
                    life: values[3],
                    burst: values[4],
                    used: values[5],
                    hold: values[6],
                    reset: values[7],
                    paused: values[8] == 1,
                    next: values[9],
                    refusals: values[10],
                    booked: booked
                )
            )
        }
        return buckets.sorted { $0.name.utf8Precedes($1.name) }
    }
}
