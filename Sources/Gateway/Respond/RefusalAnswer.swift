package import Dialects
package import NIOCore

/// A refusal as it goes out: the only place that maps what happened to status codes and words.
package struct RefusalAnswer {
    package var error: ErrorBody
    package var retryAfter: TimeAmount?
    /// Further fields.
    package var fields: [(StaticString, String)] = []
}

extension Refusal {
    /// Status, the dialects' kind and the sentence that names what to change.
    package var answer: RefusalAnswer {
        switch self {
        case .noRoute(let method, let path, let nearest):
            let hint = nearest.map { "; the nearest route is \($0)" } ?? ""
            return make(404, .notFound, "no route for \(method) \(path)\(hint)")
        case .noKey(let lookedAt):
            return make(401, .unauthenticated, "no API key was sent; looked at \(lookedAt)", authenticate: true)
        case .unknownKey(let lookedAt):
            return make(
                401,
                .unauthenticated,
                "the API key is not known here; looked at \(lookedAt)",
                authenticate: true
            )
        case .overLimit(let name, let burst, let wait):
            var answer = make(
                429,
                .resourceExhausted,
                "limit \"\(name)\" is used up; try again in \(wait.secondsText)",
                wait
            )
            answer.error.quotaViolations = [.init(limit: name, value: burst)]
            return answer
        case .limitsUnavailable:
            return make(
                503,
                .unavailable,
                "limits cannot be checked: Redis is not reachable (redis.on_failure = \"closed\")",
                .seconds(1)
            )
        case .bodyTooLarge(let limit, let setting):
            return make(413, .invalidArgument, "the request body is larger than \(limit) bytes (\(setting))")
        case .badRequest(let text):
            return make(400, .invalidArgument, text)
        case .batchTooLarge(let items, let quota, let holds):
            return make(
                400,
                .invalidArgument,
                "a batch of \(items) items never fits quota \"\(quota)\", which holds \(holds); send smaller batches"
            )
        case .queueFull(let setting, let wait):
            return make(503, .unavailable, "the queue is full (\(setting)); try again in \(wait.secondsText)", wait)
        case .waitTooLong(let expected, let allowed, let setting, let wait):
            return make(
                503,
                .unavailable,
                "a slot is expected in \(expected.secondsText), and \(setting) allows \(allowed.secondsText); try again in \(wait.secondsText)",
                wait
            )
        case .queueUnavailable:
            return make(
                503,
                .unavailable,
                "the queue cannot be reached: Redis is not reachable (redis.on_failure)",
                .seconds(1)
            )
        case .noSlotInTime(let setting):
            return make(504, .deadlineExceeded, "no slot came free in time (\(setting))")
        case .callTimedOut(let setting):
            return make(504, .deadlineExceeded, "the call did not end in time (\(setting))")
        case .breakerOpen(let upstream, let wait):
            return make(
                503,
                .unavailable,
                "upstream \"\(upstream)\" fails and is left alone for \(wait.secondsText) (breaker)",
                wait
            )
        case .upstreamUnreachable(let upstream, let reason):
            return make(502, .unavailable, "upstream \"\(upstream)\" cannot be reached: \(reason)")
        case .upstreamTimedOut(let upstream, let setting):
            return make(504, .deadlineExceeded, "upstream \"\(upstream)\" did not answer in time (\(setting))")
        case .upstreamBroke(let upstream, let reason):
            return make(502, .unavailable, "upstream \"\(upstream)\" broke off: \(reason)")
        case .notCached:
            return make(504, .deadlineExceeded, "only-if-cached was asked for and no answer is kept")
        case .notReady(let text):
            return make(503, .unavailable, text, .seconds(1))
        case .forbidden(let text):
            return make(403, .permissionDenied, text)
        case .missing(let text):
            return make(404, .notFound, text)
        case .methodNotAllowed(let allowed):
            var answer = make(405, .invalidArgument, "this path answers \(allowed) only")
            answer.fields = [("allow", allowed)]
            return answer
        }
    }

    private func make(
        _ status: Int,
        _ kind: ErrorBody.Kind,
        _ message: String,
        _ retryAfter: TimeAmount? = nil,
        authenticate: Bool = false
    ) -> RefusalAnswer {
        RefusalAnswer(
            error: ErrorBody(status: status, kind: kind, message: message, retryAfter: retryAfter.map { Duration($0) }),
            retryAfter: retryAfter,
            fields: authenticate ? [("www-authenticate", "Bearer")] : []
        )
    }
}

extension TimeAmount {
    /// `0.4 s`, `12 s`.
    package var secondsText: String {
        let tenths = max(0, (nanoseconds + 99_999_999) / 100_000_000)
        return tenths >= 100 || tenths % 10 == 0 ? "\((tenths + 9) / 10) s" : "\(tenths / 10).\(tenths % 10) s"
    }
}
