internal import Logging
package import NIOCore
internal import Pacing
internal import Synchronization

/// Use of an upstream's quotas that did not come through here: noticed where the upstream refuses a call although by our
/// own count there was room.
package final class ElsewhereUse: Sendable {
    private struct Notice {
        var units: Int
        var lastLook: NIODeadline
        /// When it has left the quota's window.
        var until: NIODeadline
        var warnedUntil: NIODeadline
    }

    /// Looks cost a look at every waiter.
    private static let lookInterval = TimeAmount.seconds(1)
    private static let bucketLimit = 1_000

    private let notices = Mutex<[ExactName: Notice]>([:])

    package init() {}

    /// Whether a refusal is to be looked at now.
    package func begin(_ bucket: String, now: NIODeadline) -> Bool {
        let bucket = ExactName(bucket)
        return notices.withLock { notices in
            if let last = notices[bucket]?.lastLook { if now < last + Self.lookInterval { return false } }
            if notices[bucket] == nil, notices.count >= Self.bucketLimit {
                notices = notices.filter { $0.value.until > now }
                guard notices.count < Self.bucketLimit else { return false }
            }
            notices[bucket, default: Notice(units: 0, lastLook: now, until: now, warnedUntil: now)].lastLook = now
            return true
        }
    }

    /// - Parameters:
    ///   - whole: what the upstream lets through in a window, for all who use it.
    ///   - used: of it through here, by our own count.
    /// - Returns: whether to warn: once a window.
    package func note(_ bucket: String, whole: Int, used: Int, per: Duration, now: NIODeadline) -> Bool {
        // Our count lags by up to a second.
        let units = whole - used
        guard units >= max(1, whole / 20) else { return false }
        let bucket = ExactName(bucket)
        return notices.withLock { notices in
            var notice = notices[bucket] ?? Notice(units: 0, lastLook: now, until: now, warnedUntil: now)
            notice.units = units
            notice.until = now + TimeAmount(per)
            let warns = now >= notice.warnedUntil
            if warns { notice.warnedUntil = notice.until }
            notices[bucket] = notice
            return warns
        }
    }

    /// Units that others used, as last noticed; 0 a window later.
    package func units(of bucket: String, now: NIODeadline) -> Int {
        notices.withLock { $0[ExactName(bucket)].flatMap { now < $0.until ? $0.units : nil } ?? 0 }
    }
}

extension OutboundCall {
    /// Compares what the upstream refused with what the queue counts.
    func noticeElsewhere(_ lesson: RefusalLesson) {
        guard let queue = request.upstream.queue else { return }
        for bucket in lesson.buckets where request.upstream.elsewhere.begin(bucket.name, now: worker.now()) {
            let upstream = request.upstream
            let quota = upstream.quotas.quotas[bucket.named.quota]
            let logger = worker.logger
            let name = bucket.name
            let whole = bucket.named.stated ?? quota.whole
            queue.statistics().whenSuccess { statistics in
                let row = statistics.quotas.first { ExactName($0.name) == ExactName(name) }
                guard let used = row?.used else { return }
                let warns = upstream.elsewhere.note(name, whole: whole, used: used, per: quota.per, now: .now())
                guard warns else { return }
                logger.warning(
                    "the upstream refuses calls although the quota has room: others use it too (upstream.quota.headroom leaves them a share), or the plan is smaller than configured",
                    metadata: [
                        "quota": "\(quota.name)", "bucket": "\(name)", "limit": "\(whole)", "used_here": "\(used)",
                        "used_elsewhere": "\(whole - used)",
                    ]
                )
            }
        }
    }
}
