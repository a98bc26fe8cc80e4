internal import Dialects

extension Configuration {
    /// A sentence for each upstream that its API will refuse, as it has no key.
    var keyWarnings: [String] {
        upstreams.filter(\.lacksKey).map { upstream in
            "upstream \"\(upstream.name)\" has no key: set \(upstream.keyVariable ?? "its key")"
        }
    }

    /// Why serving makes no sense: no API could be reached. `nil` where one has a key or needs none.
    ///
    /// A stand-in on plain HTTP needs none. What `gateway check` says does not depend on it.
    package var startupError: String? {
        let keyed = upstreams.filter { $0.dialect != .http }
        guard let first = keyed.first, keyed.allSatisfy({ $0.lacksKey && $0.url.hasPrefix("https://") }) else {
            return nil
        }
        return "no key: set \(first.keyVariable ?? "key of upstream \"\(first.name)\"") or use scripts/run"
    }
}

extension Configuration.Upstream {
    /// Gemini and Pinecone answer nobody without a key.
    fileprivate var lacksKey: Bool { dialect != .http && key.isEmpty }
}
