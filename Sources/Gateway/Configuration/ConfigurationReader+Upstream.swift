internal import Dialects

/// `[[upstream]]` and its queue; quotas are beside it.
extension ConfigurationReader {
    func upstream(
        _ table: TableReader,
        index: Int,
        names: inout NameTable,
        quotaNames: inout NameTable
    ) -> Configuration.Upstream {
        var upstream = Configuration.Upstream()
        if let name = table.requiredName() {
            upstream.name = name
            names.add(name, index: index, table: table)
        }
        upstream.dialect = table.choice("dialect") ?? upstream.dialect
        if let url = table.string("url") {
            upstream.url = BaseURL.checked(url, "url", of: table) ?? ""
        } else if !table.has("url") {
            table.fail(nil, "has no url, such as \"https://host\"")
        }
        if let key = table.expanded("key") {
            upstream.key = key.text
            upstream.keyVariable = key.variables.first
            if !HeaderText.isToken(key.text) { table.fail("key", HeaderText.message) }
        }
        upstream.ca = readableFile(table, "ca")
        upstream.identitySecret = table.string("identity_secret") ?? upstream.identitySecret
        if !upstream.identitySecret.isEmpty, upstream.dialect != .http {
            table.fail("identity_secret", "is for dialect \"http\" only: no user leaves the house")
        }
        upstream.connectTimeout = table.duration("connect_timeout", in: Bounds.timeout) ?? upstream.connectTimeout
        upstream.firstByteTimeout =
            table.duration("first_byte_timeout", in: Bounds.timeout) ?? upstream.firstByteTimeout
        upstream.idleTimeout = table.duration("idle_timeout", in: Bounds.timeout) ?? upstream.idleTimeout
        upstream.timeout = table.optionalDuration("timeout", in: Bounds.timeout)
        upstream.maxConnections = table.integer("max_connections", in: 1...100_000) ?? upstream.maxConnections
        upstream.retries = table.integer("retries", in: 0...10) ?? upstream.retries
        upstream.replayBody = table.size("replay_body", in: 0...(1 << 30)) ?? upstream.replayBody
        upstream.breaker = breaker(table.table("breaker"))
        upstream.queue = queue(table.table("queue"))
        upstream.quotas = quotas(table, of: upstream, names: &quotaNames)
        table.finish()
        return upstream
    }

    private func breaker(_ table: TableReader?) -> Configuration.Breaker {
        var breaker = Configuration.Breaker()
        guard let table else { return breaker }
        breaker.failures = table.integer("failures", in: 1...1_000_000) ?? breaker.failures
        breaker.window = table.duration("window", in: Bounds.timeout) ?? breaker.window
        breaker.openFor = table.duration("open_for", in: Bounds.timeout) ?? breaker.openFor
        table.finish()
        return breaker
    }

    private func queue(_ table: TableReader?) -> Configuration.Queue {
        var queue = Configuration.Queue()
        guard let table else { return queue }
        queue.maxWaiting = table.integer("max_waiting", in: 1...10_000_000) ?? queue.maxWaiting
        queue.maxWaitingBytes = table.size("max_waiting_bytes", in: Bounds.bytes) ?? queue.maxWaitingBytes
        queue.maxWait = table.duration("max_wait", in: Bounds.time) ?? queue.maxWait
        queue.fairBy = table.choice("fair_by") ?? queue.fairBy
        queue.heartbeat = table.duration("heartbeat", in: Bounds.time) ?? queue.heartbeat
        table.finish()
        return queue
    }
}
