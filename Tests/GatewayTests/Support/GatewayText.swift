/// A gateway.conf with one upstream, which is the test's own, and one route for every path.
enum GatewayText {
    /// The path of a call to a model of Gemini's.
    static let generate = "/v1beta/models/gemini-2.5-flash:generateContent"

    /// - Parameters:
    ///   - upstream, queue, route: further lines of these tables.
    ///   - quota: the lines of the first quota, less its name; empty: there is none.
    static func gemini(
        upstream: String = "",
        queue: String = "",
        quotaName: String = "rpm",
        quota: String = "",
        route: String = ""
    ) -> String {
        text(
            name: "gemini",
            upstream: "dialect = \"gemini\"\nkey = \"upstream-key\"\n" + upstream,
            queue: queue,
            quotaName: quotaName,
            quota: quota,
            route: route
        )
    }

    static func http(
        _ url: String = "${UPSTREAM}",
        upstream: String = "",
        queue: String = "",
        quota: String = "",
        route: String = ""
    ) -> String {
        text(name: "web", url: url, upstream: upstream, queue: queue, quotaName: "rpm", quota: quota, route: route)
    }

    private static func text(
        name: String,
        url: String = "${UPSTREAM}",
        upstream: String,
        queue: String,
        quotaName: String,
        quota: String,
        route: String
    ) -> String {
        """
        [admin]
        token = "token"
        [auth]
        mode = "none"
        [[upstream]]
        name = "\(name)"
        url = "\(url)"
        \(upstream)
        \(queue.isEmpty ? "" : "[upstream.queue]\n" + queue)
        \(quota.isEmpty ? "" : "[[upstream.quota]]\nname = \"\(quotaName)\"\n" + quota)
        [[route]]
        path = "/**"
        upstream = "\(name)"
        \(route)
        """
    }
}
