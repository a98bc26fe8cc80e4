/// The fields that a gateway looks at, sets or strips. Found by length and bytes, never by a `String`.
package enum KnownField: UInt8, CaseIterable, Sendable {
    case accept, acceptEncoding, acceptLanguage, accessControlAllowOrigin, accessControlRequestHeaders
    case accessControlRequestMethod, age, allow, altSvc, apiKey, authorization
    case cacheControl, cacheStatus, connection, contentEncoding, contentLength, contentRange, contentType, cookie
    case date, etag, expect, expires, forwarded, host, http2Settings
    case idempotencyKey, ifMatch, ifModifiedSince, ifNoneMatch, keepAlive, lastModified, link, location
    case origin, pragma, prefer, preferenceApplied, priority, proxyAuthenticate, proxyAuthorization, proxyConnection
    case range, rateLimit, rateLimitPolicy, referer, retryAfter, secWebSocketKey, secWebSocketVersion
    case server, serverTiming, setCookie, strictTransportSecurity
    case te, traceparent, tracestate, trailer, transferEncoding, upgrade, userAgent, vary, via, wwwAuthenticate
    case xApiKey, xForwardedFor, xForwardedHost, xForwardedProto, xGoogApiClient, xGoogApiKey, xGoogUploadCommand
    case xGoogUploadOffset, xGoogUploadProtocol, xGoogUploadStatus, xGoogUploadURL
    case xPineconeApiVersion, xRealIP, xRequestID, xServerTimeout, xSluiceSignature, xUserID

    /// The field's name in lower case, as HTTP/2 writes it.
    package var name: StaticString {
        switch self {
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .acceptLanguage: "accept-language"
        case .accessControlAllowOrigin: "access-control-allow-origin"
        case .accessControlRequestHeaders: "access-control-request-headers"
        case .accessControlRequestMethod: "access-control-request-method"
        case .age: "age"
        case .allow: "allow"
        case .altSvc: "alt-svc"
        case .apiKey: "api-key"
        case .authorization: "authorization"
        case .cacheControl: "cache-control"
        case .cacheStatus: "cache-status"
        case .connection: "connection"
        case .contentEncoding: "content-encoding"
        case .contentLength: "content-length"
        case .contentRange: "content-range"
        case .contentType: "content-type"
        case .cookie: "cookie"
        case .date: "date"
        case .etag: "etag"
        case .expect: "expect"
        case .expires: "expires"
        case .forwarded: "forwarded"
        case .host: "host"
        case .http2Settings: "http2-settings"
        case .idempotencyKey: "idempotency-key"
        case .ifMatch: "if-match"
        case .ifModifiedSince: "if-modified-since"
        case .ifNoneMatch: "if-none-match"
        case .keepAlive: "keep-alive"
        case .lastModified: "last-modified"
        case .link: "link"
        case .location: "location"
        case .origin: "origin"
        case .pragma: "pragma"
        case .prefer: "prefer"
        case .preferenceApplied: "preference-applied"
        case .priority: "priority"
        case .proxyAuthenticate: "proxy-authenticate"
        case .proxyAuthorization: "proxy-authorization"
        case .proxyConnection: "proxy-connection"
        case .range: "range"
        case .rateLimit: "ratelimit"
        case .rateLimitPolicy: "ratelimit-policy"
        case .referer: "referer"
        case .retryAfter: "retry-after"
        case .secWebSocketKey: "sec-websocket-key"
        case .secWebSocketVersion: "sec-websocket-version"
        case .server: "server"
        case .serverTiming: "server-timing"
        case .setCookie: "set-cookie"
        case .strictTransportSecurity: "strict-transport-security"
        case .te: "te"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .trailer: "trailer"
        case .transferEncoding: "transfer-encoding"
        case .upgrade: "upgrade"
        case .userAgent: "user-agent"
        case .vary: "vary"
        case .via: "via"
        case .wwwAuthenticate: "www-authenticate"
        case .xApiKey: "x-api-key"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedProto: "x-forwarded-proto"
        case .xGoogApiClient: "x-goog-api-client"
        case .xGoogApiKey: "x-goog-api-key"
        case .xGoogUploadCommand: "x-goog-upload-command"
        case .xGoogUploadOffset: "x-goog-upload-offset"
        case .xGoogUploadProtocol: "x-goog-upload-protocol"
        case .xGoogUploadStatus: "x-goog-upload-status"
        case .xGoogUploadURL: "x-goog-upload-url"
        case .xPineconeApiVersion: "x-pinecone-api-version"
        case .xRealIP: "x-real-ip"
        case .xRequestID: "x-request-id"
        case .xServerTimeout: "x-server-timeout"
        case .xSluiceSignature: "x-sluice-signature"
        case .xUserID: "x-user-id"
        }
    }

    /// Whether the field is about one connection, so that a proxy never passes it on (RFC 9110, 7.6.1).
    /// Content-Length is not among them, though the reply's framing replaces it.
    package var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .proxyAuthenticate, .proxyAuthorization, .te, .trailer,
            .transferEncoding, .upgrade, .http2Settings:
            true
        default:
            false
        }
    }
}
