/** limpet/cache: models kept in the browser's own file system. */
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { Ask, FetchOptions } from "./store/download.ts";
export { type CachedModel, type CacheOptions, cached, deleteCached, listCached } from "./store/opfs.ts";
