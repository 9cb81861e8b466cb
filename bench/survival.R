# One cell of the benchmark in R survival: Rscript survival.R TASK DIR ROUNDS
# Reads the columns that bench/survival.py wrote (doubles), prints CPU seconds of each round and extra megabytes.
suppressMessages(library(survival))
args <- commandArgs(TRUE); task <- args[1]; dir <- args[2]; rounds <- as.integer(args[3])
column <- function(name) { path <- file.path(dir, name); if (!file.exists(path)) return(NULL); readBin(path, "double", file.size(path) / 8) }
time <- column("time"); state <- column("state"); entry <- column("entry"); group <- column("group")
strata <- column("strata"); cluster <- column("cluster"); X <- column("X")
if (!is.null(X)) X <- matrix(X, nrow = length(time), byrow = TRUE)
cox <- function(y, ...) coxph(y ~ X, ...)
run <- switch(task,
  km = , km_cont = , rmst = function() { f <- survfit(Surv(time, state) ~ 1); if (task == "rmst") survival:::survmean(f, rmean = 1000) else f },
  km_late = function() survfit(Surv(entry, time, state) ~ 1),
  logrank = , logrank_cont = function() survdiff(Surv(time, state) ~ group),
  logrank_strata = function() survdiff(Surv(time, state) ~ group + strata(strata)),
  aj = function() survfit(Surv(time, factor(state)) ~ 1),
  cox_1 = , cox_10 = , cox_50 = , cox_10_cont = function() coxph(Surv(time, state) ~ X),
  cox_10_late = , cox_10_stop = function() coxph(Surv(entry, time, state) ~ X),
  cox_10_strata = function() coxph(Surv(time, state) ~ X + strata(strata)),
  cox_10_cluster = function() coxph(Surv(time, state) ~ X, cluster = cluster),
  medians = function() for (i in 1:1000) { k <- sample.int(length(time), replace = TRUE); quantile(survfit(Surv(time[k], state[k]) ~ 1, se.fit = FALSE), 0.5, conf.int = FALSE) },
  boot_cox = function() for (i in 1:1000) { k <- sample.int(length(time), replace = TRUE); coxph(Surv(time[k], state[k]) ~ X[k, ]) },
  univariate = function() for (j in seq_len(ncol(X))) coxph(Surv(time, state) ~ X[, j]))
base <- sum(gc(reset = TRUE)[, 2])
for (i in seq_len(rounds)) { t0 <- proc.time(); run(); d <- proc.time() - t0; cat("round", d[[1]] + d[[2]], "\n") }
cat("memory", sum(gc()[, 6]) - base, "\n")
