# What R survival and cmprsk say about one data set, as flat JSON: {"name": [numbers]}.
#
#   Rscript estimates_reference.R DATA OUT.json [OUT.csv]
#
# DATA is a CSV file with the columns below, or the name of a data set that R ships (lung, ovarian, pbc, colon,
# veteran); these are brought to the same columns and, with a third argument, written out for the replay.
# Columns: time event cause entry group stratum x1 x2 x3 weight cluster (complete rows only).
suppressMessages(library(survival))
args <- commandArgs(TRUE)

shipped <- function(name) {
  d <- switch(name,
    lung = with(lung, data.frame(time, event = status == 2, cause = ifelse(status == 2, 1 + (seq_along(time) %% 3 == 0), 0), entry = 0,
      group = ph.ecog, stratum = sex, x1 = age, x2 = sex - 1, x3 = wt.loss, weight = 1 + seq_along(time) %% 4 / 2, cluster = inst)),
    ovarian = with(ovarian, data.frame(time = futime, event = fustat == 1, cause = ifelse(fustat == 1, 1 + (seq_along(futime) %% 3 == 0), 0),
      entry = pmin(futime %/% 3, 50), group = rx, stratum = resid.ds, x1 = age, x2 = rx - 1, x3 = ecog.ps,
      weight = 1 + seq_along(futime) %% 3 / 4, cluster = seq_along(futime) %% 9)),
    pbc = with(pbc, data.frame(time, event = status == 2, cause = c(0, 2, 1)[status + 1], entry = ifelse(seq_along(time) %% 3 == 0, pmin(time - 1, 200), 0),
      group = stage, stratum = edema, x1 = age, x2 = log(bili), x3 = albumin, weight = 1 + seq_along(time) %% 5 / 3, cluster = id %% 40)),
    colon = with(colon[colon$etype == 2, ], data.frame(time, event = status == 1, cause = ifelse(status == 1, 1 + (node4 == 1), 0),
      entry = ifelse(id %% 4 == 0, pmin(time - 1, 100), 0), group = as.numeric(rx), stratum = extent, x1 = age, x2 = sex, x3 = nodes,
      weight = 1 + id %% 4 / 4, cluster = id %% 50)),
    veteran = with(veteran, data.frame(time, event = status == 1, cause = ifelse(status == 1, 1 + (seq_along(time) %% 3 == 0), 0), entry = 0,
      group = as.numeric(celltype), stratum = trt, x1 = karno, x2 = trt - 1, x3 = age, weight = 1 + seq_along(time) %% 2 / 2,
      cluster = seq_along(time) %% 20)))
  d$event <- as.numeric(d$event)
  d[complete.cases(d), ]
}
d <- if (file.exists(args[1])) read.csv(args[1]) else shipped(args[1])
if (length(args) > 2) write.csv(d, args[3], row.names = FALSE)
result <- list()
put <- function(name, x) { x <- as.numeric(x); x[!is.finite(x)] <- NA; result[[name]] <<- x }
CONTROL <- suppressWarnings(coxph.control(eps = 1e-14, toler.chol = 1e-13, iter.max = 100))
late <- any(d$entry > 0)
Y <- with(d, Surv(time, event))
YE <- with(d, Surv(entry, time, event))
tau <- as.numeric(quantile(d$time, 0.6, type = 1))
put("tau", tau)

# ---- curves
curve <- function(name, f, types = "log") {
  put(paste0(name, "/time"), f$time); put(paste0(name, "/at_risk"), f$n.risk); put(paste0(name, "/survival"), f$surv)
  put(paste0(name, "/log_se"), if (f$logse) f$std.err else f$std.err / f$surv)
  put(paste0(name, "/hazard"), f$cumhaz); put(paste0(name, "/hazard_se"), f$std.chaz)
}
curve("km", survfit(Y ~ 1, data = d))
curve("km entry", survfit(YE ~ 1, data = d))
curve("km weighted", survfit(Y ~ 1, data = d, weights = weight, robust = FALSE))
curve("km robust", survfit(Y ~ 1, data = d, weights = weight, robust = TRUE))
curve("km robust entry", survfit(YE ~ 1, data = d, weights = weight, robust = TRUE, id = seq_len(nrow(d))))
curve("km cluster", survfit(YE ~ 1, data = d, weights = weight, cluster = cluster))
curve("nelson-aalen", survfit(YE ~ 1, data = d, stype = 2, ctype = 1))
curve("fleming-harrington", survfit(YE ~ 1, data = d, stype = 2, ctype = 2))
for (type in c("log", "log-log", "plain", "logit", "arcsin")) {
  f <- survfit(YE ~ 1, data = d, conf.type = type)
  inner <- f$surv < 1 & f$surv > 0
  put(paste("lower", type), f$lower[inner]); put(paste("upper", type), f$upper[inner])
  q <- quantile(f, c(0.1, 0.25, 0.5, 0.75))
  put(paste("quantile", type), q$quantile); put(paste("quantile lower", type), q$lower); put(paste("quantile upper", type), q$upper)
}
f <- survfit(Y ~ group, data = d)
put("km by group/median", quantile(f, 0.5)$quantile)
r <- summary(survfit(Y ~ 1, data = d), rmean = tau)$table
put("rmst", r[c("rmean", "se(rmean)")])
f <- survfit(Surv(time, 1 - event) ~ 1, data = d); q <- quantile(f, 0.5); put("follow-up", c(q$quantile, q$lower))

# ---- tests
test <- function(name, f) { o <- if (is.matrix(f$obs)) rowSums(f$obs) else f$obs; e <- if (is.matrix(f$exp)) rowSums(f$exp) else f$exp
  put(paste0(name, "/chisq"), f$chisq); put(paste0(name, "/expected"), e); put(paste0(name, "/p"), pchisq(f$chisq, sum(e > 0) - 1, lower.tail = FALSE)) }
test("log-rank", survdiff(Y ~ group, data = d))
test("peto", survdiff(Y ~ group, data = d, rho = 1))
test("log-rank strata", survdiff(Y ~ group + strata(stratum), data = d))
s <- survdiff(Y ~ group, data = d); k <- seq_along(s$obs); z <- sum(k * (s$obs - s$exp)); put("trend", z^2 / as.numeric(k %*% s$var %*% k))
robust <- function(name, f) put(name, summary(f)$robscore["test"])
row <- seq_len(nrow(d))
robust("log-rank weights", suppressWarnings(coxph(YE ~ factor(group) + strata(stratum), d, weights = weight, ties = "breslow", robust = TRUE, id = row)))
robust("log-rank cluster", suppressWarnings(coxph(Y ~ factor(group), d, weights = weight, ties = "breslow", cluster = cluster)))
robust("trend weights", suppressWarnings(coxph(YE ~ match(group, sort(unique(group))), d, weights = weight, ties = "breslow", cluster = cluster)))
lev <- sort(unique(d$group)); p <- c()
if (length(lev) > 2) { for (a in seq_len(length(lev) - 1)) for (b in (a + 1):length(lev)) { i <- d$group %in% lev[c(a, b)]
  p <- c(p, pchisq(survdiff(Y[i] ~ d$group[i])$chisq, 1, lower.tail = FALSE)) }
  put("pairwise", p); for (m in c("holm", "hochberg", "BH", "bonferroni")) put(paste("pairwise", m), p.adjust(p, m)) }

# ---- Cox
cox <- function(name, f, zph = FALSE) {
  robust <- !is.null(f$naive.var); v <- if (robust) f$naive.var else f$var
  put(paste0(name, "/coef"), coef(f)); put(paste0(name, "/se"), sqrt(diag(v))); put(paste0(name, "/loglik"), f$loglik)
  put(paste0(name, "/score"), f$score); put(paste0(name, "/wald"), f$wald.test)
  if (robust) { put(paste0(name, "/robust_se"), sqrt(diag(f$var))); put(paste0(name, "/robust_score"), f$rscore) }
  put(paste0(name, "/criteria"), c(AIC(f), BIC(f)))
  put(paste0(name, "/concordance"), f$concordance[c("concordance", "std")])
  if (!zph) return(invisible())
  put(paste0(name, "/martingale"), residuals(f, "martingale")); put(paste0(name, "/deviance"), residuals(f, "deviance"))
  put(paste0(name, "/score residuals"), residuals(f, "score")); put(paste0(name, "/dfbeta"), residuals(f, "dfbeta"))
  put(paste0(name, "/schoenfeld"), residuals(f, "schoenfeld"))
  for (tr in c("km", "rank", "identity", "log")) { z <- cox.zph(f, transform = tr, terms = FALSE)$table; put(paste0(name, "/zph ", tr), z[, "chisq"]) }
}
fit <- function(formula, ...) suppressWarnings(do.call(coxph, list(formula, data = d, control = CONTROL, ...)))
cox("efron", fit(Y ~ x1 + x2 + x3), TRUE)
cox("breslow", fit(Y ~ x1 + x2 + x3, ties = "breslow"), TRUE)
cox("exact", fit(Y ~ x1 + x2, ties = "exact"))
cox("entry", fit(YE ~ x1 + x2 + x3), TRUE)
cox("strata", fit(YE ~ x1 + x3 + strata(stratum)), TRUE)
cox("cluster", fit(Y ~ x1 + x2 + x3, cluster = d$cluster))
cox("weights", fit(Y ~ x1 + x2 + x3, weights = d$weight, robust = FALSE), TRUE)
cox("weights robust", fit(YE ~ x1 + x2 + x3, weights = d$weight, id = seq_len(nrow(d)), robust = TRUE))
cox("offset", fit(Y ~ x1 + x3 + offset(0.3 * x2)))
f <- fit(Y ~ ridge(x1, x2, x3, theta = 2, scale = FALSE)); put("ridge/coef", coef(f)); put("ridge/loglik", f$loglik[2])
for (ties in c("efron", "breslow")) {
  f <- fit(YE ~ x1 + x2 + x3, ties = ties)
  b <- basehaz(f, centered = FALSE); put(paste("baseline", ties), b$hazard)
  n <- data.frame(x1 = mean(d$x1), x2 = c(0, 1), x3 = mean(d$x3)); s <- survfit(f, newdata = n)
  put(paste("predicted", ties), s$surv); put(paste("predicted se", ties), s$std.err)
}

# ---- competing risks
if (requireNamespace("cmprsk", quietly = TRUE)) {
  suppressMessages(library(cmprsk))
  times <- as.numeric(quantile(d$time, c(0.25, 0.5, 0.75), type = 1)); put("aj/times", times)
  a <- timepoints(cuminc(d$time, d$cause), times); put("cuminc", t(a$est)); put("cuminc variance", t(a$var))
  put("gray", cuminc(d$time, d$cause, d$group)$Tests[, "stat"])
  put("gray strata", cuminc(d$time, d$cause, d$group, strata = d$stratum)$Tests[, "stat"])
  X <- as.matrix(d[, c("x1", "x2", "x3")]); a <- crr(d$time, d$cause, X, gtol = 1e-12, maxiter = 100)
  put("fine-gray/coef", a$coef); put("fine-gray/se", sqrt(diag(a$var))); put("fine-gray/loglik", a$loglik)
}
d$state <- factor(d$cause, 0:2)
f <- survfit(Surv(time, state) ~ 1, data = d); a <- summary(f, times = times, extend = TRUE)
put("aj", a$pstate[, 2:3]); put("aj se", a$std.err[, 2:3])
f <- survfit(Surv(entry, time, state) ~ 1, data = d, id = seq_len(nrow(d))); a <- summary(f, times = times, extend = TRUE)
put("aj entry", a$pstate[, 2:3]); put("aj entry se", a$std.err[, 2:3])

geskus <- function(name, by) {
  f <- suppressWarnings(coxph(Surv(fgstart, fgstop, fgstatus) ~ x1 + x2, weights = fgwt, data = by, ties = "breslow", cluster = row, control = CONTROL))
  put(paste0(name, "/coef"), coef(f)); put(paste0(name, "/se"), sqrt(diag(f$naive.var))); put(paste0(name, "/robust_se"), sqrt(diag(f$var)))
  robust(paste0(name, "/gray"), suppressWarnings(coxph(Surv(fgstart, fgstop, fgstatus) ~ factor(group), weights = fgwt, data = by, ties = "breslow", cluster = row)))
}
d$row <- row
geskus("geskus weights", finegray(Surv(time, state) ~ ., data = d[, c("time", "state", "x1", "x2", "group", "row")], etype = "1", weights = d$weight))
geskus("geskus entry", finegray(Surv(entry, time, state) ~ ., data = d[, c("entry", "time", "state", "x1", "x2", "group", "row")], etype = "1", weights = d$weight, id = row))

# ---- parametric, frailty, interval-censored
for (dist in c("exponential", "weibull", "lognormal", "loglogistic")) {
  f <- survreg(Surv(time, event) ~ x1 + x2, data = d, dist = dist, control = survreg.control(rel.tolerance = 1e-14, maxiter = 200))
  put(paste0(dist, "/coef"), coef(f)); put(paste0(dist, "/se"), sqrt(diag(f$var))); put(paste0(dist, "/scale"), f$scale); put(paste0(dist, "/loglik"), f$loglik)
  put(paste0(dist, "/criteria"), c(AIC(f), BIC(f)))
  q <- predict(f, data.frame(x1 = mean(d$x1), x2 = 1), type = "uquantile", p = c(0.25, 0.5), se.fit = TRUE); put(paste0(dist, "/quantiles"), c(q$fit, q$se.fit))
}
f <- fit(Y ~ x1 + x2 + frailty(cluster, theta = 0.5, sparse = FALSE)); put("frailty/coef", coef(f)[1:2]); put("frailty/se", sqrt(diag(f$var))[1:2])
put("frailty/effects", coef(f)[-(1:2)])
put("frailty/loglik", f$history[[1]]$c.loglik)
left <- floor(d$time / 30) * 30; right <- ifelse(d$event == 1, left + 30 + 30 * (seq_along(left) %% 3), NA)
left[left == 0] <- NA; g <- survfit(Surv(left, right, type = "interval2") ~ 1)
put("turnbull", approx(c(0, g$time), c(1, g$surv), c(0.5, 1, 1.5) * tau + 0.5, method = "constant", rule = 2)$y)

# ---- comparisons
tab <- table(d$group, d$event); one <- d$x1[d$event == 0]; two <- d$x1[d$event == 1]
k <- sum(d$event); put("binomial", c(binom.test(k, nrow(d))$conf.int, prop.test(k, nrow(d), correct = FALSE)$conf.int))
put("chi-square", suppressWarnings(chisq.test(tab, correct = FALSE)$statistic))
put("fisher", fisher.test(tab, workspace = 2e7)$p.value)
put("t-test", c(t.test(one, two)$statistic, t.test(one, two)$p.value, t.test(one, two, var.equal = TRUE)$p.value))
put("mann-whitney", c(wilcox.test(one, two, exact = FALSE)$statistic, wilcox.test(one, two, exact = FALSE)$p.value))
put("kruskal-wallis", kruskal.test(d$x1, d$group)$statistic)
put("anova", anova(lm(x1 ~ factor(group), d))$F[1])

line <- function(name) sprintf('"%s": [%s]', name, paste(ifelse(is.na(result[[name]]), "null", sprintf("%.17g", result[[name]])), collapse = ", "))
writeLines(c("{", paste(vapply(names(result), line, ""), collapse = ",\n"), "}"), args[2])
